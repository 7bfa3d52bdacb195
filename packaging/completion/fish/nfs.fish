# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.


# Parse current commandline:
# - _shtab_nfs_cmdpath=(sub)command path seen so far
# - _shtab_nfs_npos=number of positional arguments given after it
# - options are skipped based on _shtab_nfs_opts_with_value & _shtab_nfs_commands lists
function _shtab_nfs_scan
  set -g _shtab_nfs_cmdpath ''
  set -g _shtab_nfs_npos 0
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
        if contains -- $t $_shtab_nfs_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_nfs_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_nfs_cmdpath"
            set candidate "$_shtab_nfs_cmdpath $t"
          end
          if contains -- $candidate $_shtab_nfs_commands
            set -g _shtab_nfs_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_nfs_npos (math $_shtab_nfs_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_nfs_using
  _shtab_nfs_scan
  test "$_shtab_nfs_cmdpath" = "$argv"
end

set -g _shtab_nfs_commands ls ping
set -g _shtab_nfs_opts_with_value --count --gid --interval --nfs-version --timeout --uid -c -i

complete -c nfs -e
complete -c nfs -f

complete -c nfs -n _shtab_nfs_using -l help -d 'print this help'
complete -c nfs -n _shtab_nfs_using -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a ls -d 'list directories, or the exports of a server'
complete -c nfs -n '_shtab_nfs_using ls' -s a -l all -d 'also list names that begin with a dot'
complete -c nfs -n '_shtab_nfs_using ls' -s d -l directory -d 'list directories themselves, not their content'
complete -c nfs -n '_shtab_nfs_using ls' -s F -l classify -d 'append one of */=@| to names, for the type'
complete -c nfs -n '_shtab_nfs_using ls' -s h -l human-readable -d 'with -l: print sizes such as 1.5K and 12M'
complete -c nfs -n '_shtab_nfs_using ls' -s l -l long -d 'print mode, links, owner, group, size and time'
complete -c nfs -n '_shtab_nfs_using ls' -s n -l numeric-uid-gid -d 'as -l, with numbers of owners and groups'
complete -c nfs -n '_shtab_nfs_using ls' -s r -l reverse -d 'reverse the order'
complete -c nfs -n '_shtab_nfs_using ls' -s R -l recursive -d 'list the directories below, too'
complete -c nfs -n '_shtab_nfs_using ls' -s S -l sort-size -d 'sort by size, the largest first'
complete -c nfs -n '_shtab_nfs_using ls' -s t -l sort-time -d 'sort by time, the newest first'
complete -c nfs -n '_shtab_nfs_using ls' -s U -l unsorted -d 'print in the order of the server, without waiting for all'
complete -c nfs -n '_shtab_nfs_using ls' -s 1 -l one-per-line -d 'print one name on a line'
complete -c nfs -n '_shtab_nfs_using ls' -s 0 -l zero -d 'print names as they are, each with a NUL after it'
complete -c nfs -n '_shtab_nfs_using ls' -l json -d 'print a JSON object for each file, one on a line'
complete -c nfs -n '_shtab_nfs_using ls' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using ls' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using ls' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using ls' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using ls' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using ls' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a ping -d 'ask each layer of a server, and say which one fails and why'
complete -c nfs -n '_shtab_nfs_using ping' -s c -l count -x -d 'rounds; 1 by default, 0 until Ctrl-C'
complete -c nfs -n '_shtab_nfs_using ping' -s i -l interval -x -d 'time between two rounds; 1 by default'
complete -c nfs -n '_shtab_nfs_using ping' -l json -d 'print a JSON object for each round, one on a line'
complete -c nfs -n '_shtab_nfs_using ping' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using ping' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using ping' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using ping' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using ping' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using ping' -s V -l version -d 'print the version'
