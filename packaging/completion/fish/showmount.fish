# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.


# Parse current commandline:
# - _shtab_showmount_cmdpath=(sub)command path seen so far
# - _shtab_showmount_npos=number of positional arguments given after it
# - options are skipped based on _shtab_showmount_opts_with_value & _shtab_showmount_commands lists
function _shtab_showmount_scan
  set -g _shtab_showmount_cmdpath ''
  set -g _shtab_showmount_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_showmount_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_showmount_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_showmount_cmdpath"
            set candidate "$_shtab_showmount_cmdpath $t"
          end
          if contains -- $candidate $_shtab_showmount_commands
            set -g _shtab_showmount_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_showmount_npos (math $_shtab_showmount_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_showmount_using
  _shtab_showmount_scan
  test "$_shtab_showmount_cmdpath" = "$argv"
end

set -g _shtab_showmount_commands
set -g _shtab_showmount_opts_with_value --port --timeout

complete -c showmount -e
complete -c showmount -f

complete -c showmount -n _shtab_showmount_using -s a -l all -d 'list the clients with the directories that they have mounted'
complete -c showmount -n _shtab_showmount_using -s d -l directories -d 'list the mounted directories'
complete -c showmount -n _shtab_showmount_using -s e -l exports -d 'list the exported directories, and who may mount them'
complete -c showmount -n _shtab_showmount_using -l no-headers -d 'leave out the heading'
complete -c showmount -n _shtab_showmount_using -l timeout -x -d 'time for each reply; 20 by default'
complete -c showmount -n _shtab_showmount_using -l port -x -d 'the port of the port mapper; 111 by default'
complete -c showmount -n _shtab_showmount_using -s h -l help -d 'print this help'
complete -c showmount -n _shtab_showmount_using -s v -l version -d 'print the version'
complete -c showmount -n '_shtab_showmount_using; and test $_shtab_showmount_npos -eq 0' -ka "(__fish_print_hostnames)" -d HOST
