# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.


# Parse current commandline:
# - _shtab_pmap_dump_cmdpath=(sub)command path seen so far
# - _shtab_pmap_dump_npos=number of positional arguments given after it
# - options are skipped based on _shtab_pmap_dump_opts_with_value & _shtab_pmap_dump_commands lists
function _shtab_pmap_dump_scan
  set -g _shtab_pmap_dump_cmdpath ''
  set -g _shtab_pmap_dump_npos 0
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
        if contains -- $t $_shtab_pmap_dump_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_pmap_dump_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_pmap_dump_cmdpath"
            set candidate "$_shtab_pmap_dump_cmdpath $t"
          end
          if contains -- $candidate $_shtab_pmap_dump_commands
            set -g _shtab_pmap_dump_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_pmap_dump_npos (math $_shtab_pmap_dump_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_pmap_dump_using
  _shtab_pmap_dump_scan
  test "$_shtab_pmap_dump_cmdpath" = "$argv"
end

set -g _shtab_pmap_dump_commands
set -g _shtab_pmap_dump_opts_with_value --host --port --rpcbind-port --socket

complete -c pmap_dump -e
complete -c pmap_dump -f

complete -c pmap_dump -n _shtab_pmap_dump_using -l host -xka "(__fish_print_hostnames)" -d 'dump the port mapper of this host; by default the local one'
complete -c pmap_dump -n _shtab_pmap_dump_using -l port -x -d 'the port of the port mapper; 111 by default'
complete -c pmap_dump -n _shtab_pmap_dump_using -l rpcbind-port -x -d 'the same as --port'
complete -c pmap_dump -n _shtab_pmap_dump_using -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'the local socket of the port mapper; @NAME if abstract'
complete -c pmap_dump -n _shtab_pmap_dump_using -l help -d 'print this help'
complete -c pmap_dump -n _shtab_pmap_dump_using -s V -l version -d 'print the version'
