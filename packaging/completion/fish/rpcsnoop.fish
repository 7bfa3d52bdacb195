# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.

# Custom Preamble

function _shtab_glob_compgen_aabcd4ef
  set comp (commandline -ct)
  for candidate in (__fish_complete_path "$comp")
    set -l candidate_path (string split -m1 \t -- "$candidate")[1]
    for pattern in '*.x' '*/'  # recurse into subdirs
      if string match -q -- "$pattern" "$candidate_path"
        printf '%s\n' "$candidate"
        break
      end
    end
  end
end

# End Custom Preamble

# Parse current commandline:
# - _shtab_rpcsnoop_cmdpath=(sub)command path seen so far
# - _shtab_rpcsnoop_npos=number of positional arguments given after it
# - options are skipped based on _shtab_rpcsnoop_opts_with_value & _shtab_rpcsnoop_commands lists
function _shtab_rpcsnoop_scan
  set -g _shtab_rpcsnoop_cmdpath ''
  set -g _shtab_rpcsnoop_npos 0
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
        if contains -- $t $_shtab_rpcsnoop_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_rpcsnoop_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_rpcsnoop_cmdpath"
            set candidate "$_shtab_rpcsnoop_cmdpath $t"
          end
          if contains -- $candidate $_shtab_rpcsnoop_commands
            set -g _shtab_rpcsnoop_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_rpcsnoop_npos (math $_shtab_rpcsnoop_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_rpcsnoop_using
  _shtab_rpcsnoop_scan
  test "$_shtab_rpcsnoop_cmdpath" = "$argv"
end

set -g _shtab_rpcsnoop_commands explain top
set -g _shtab_rpcsnoop_opts_with_value --by --client --color --count --file --follow --host --interface --interval --proc --prog --relinquish --snaplen --spec --status --time --write -Z -c -i -s -t -w

complete -c rpcsnoop -e
complete -c rpcsnoop -f

complete -c rpcsnoop -n _shtab_rpcsnoop_using -s v -l tree -d 'show all fields of a message, with their offsets'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s V -l layers -d 'show a line for each layer: link, IP, TCP or UDP, RPC, program'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l json -d 'write each message as a JSON object on a line'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l stats -d 'show figures of each procedure instead of messages'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l by -xka "client server file" -d 'with --stats: figures of each client, server or file instead'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s t -l time -x -d 'a: of day; d: since the line before; r: since the first line; service or transfer: one more column'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l names -d 'show names of hosts, looked up in the background'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s r -l addresses -d 'show addresses of hosts: the default'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l color -xka "auto always never" -d 'colour lines: always, never, or auto: on a terminal'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l prog -xka "(sed -n 's/^\([a-z][^[:space:]]*\).*/\1/p' /etc/rpc 2>/dev/null)" -d 'only this program, by name or number; or PROGRAM,VERSION'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l proc -xka "NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT" -d 'only this procedure, by name or number'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l host -x -d 'only messages from or to this address'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l status -x -d 'only calls with this status; '"'"'!OK'"'"' for others, or unanswered'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l uid -d 'show the user of AUTH_SYS; with UID only calls of this user'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l file -x -d 'only calls about this file, by name or handle; may be a pattern'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l follow -xka "mount" -d 'mount: only messages of mounts, from the port mapper to NFS'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l spec -xka "(_shtab_glob_compgen_aabcd4ef)" -d 'show the programs that this interface declares, too'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s i -l interface -x -d 'capture on this network interface until Ctrl-C; any: on all'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s c -l count -x -d 'end after N messages were shown; with --write alone after N frames'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s w -l write -xka "(__fish_complete_path (commandline -ct))" -d 'write the frames to a pcapng file instead of showing messages'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l print -d 'with --write: show messages, too'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s s -l snaplen -x -d 'capture at most this number of bytes of each frame'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l promiscuous -d 'capture frames for other hosts, too'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s Z -l relinquish -xka "(__fish_complete_users)" -d 'once the capture is open, become this user'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -s h -l help -d 'print this help'
complete -c rpcsnoop -n _shtab_rpcsnoop_using -l version -d 'print the version'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using; and test $_shtab_rpcsnoop_npos -eq 0' -a explain -d 'tell why mounts fail'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -l client -x -d 'only the attempts of this client'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -l json -d 'write each attempt as a JSON object on a line'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -s i -l interface -x -d 'capture on this network interface until Ctrl-C; any: on all'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -s w -l write -xka "(__fish_complete_path (commandline -ct))" -d 'write the frames to a pcapng file instead of showing messages'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -l promiscuous -d 'capture frames for other hosts, too'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -s Z -l relinquish -xka "(__fish_complete_users)" -d 'once the capture is open, become this user'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -s h -l help -d 'print this help'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain' -l version -d 'print the version'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using explain; and test $_shtab_rpcsnoop_npos -ge 0' -ka "(__fish_complete_path (commandline -ct))" -d FILE
complete -c rpcsnoop -n '_shtab_rpcsnoop_using; and test $_shtab_rpcsnoop_npos -eq 0' -a top -d 'show rates and service times'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -s i -l interface -x -d 'capture on this network interface until Ctrl-C; any: on all'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -s s -l snaplen -x -d 'capture at most this number of bytes of each frame'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l promiscuous -d 'capture frames for other hosts, too'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -s Z -l relinquish -xka "(__fish_complete_users)" -d 'once the capture is open, become this user'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l interval -x -d 'refresh at this interval instead of every second'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l json -d 'write the figures of each interval as a JSON object on a line'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l prog -xka "(sed -n 's/^\([a-z][^[:space:]]*\).*/\1/p' /etc/rpc 2>/dev/null)" -d 'only this program, by name or number; or PROGRAM,VERSION'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l proc -xka "NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT" -d 'only this procedure, by name or number'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l host -x -d 'only messages from or to this address'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l status -x -d 'only calls with this status; '"'"'!OK'"'"' for others, or unanswered'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l uid -d 'show the user of AUTH_SYS; with UID only calls of this user'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l file -x -d 'only calls about this file, by name or handle; may be a pattern'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l follow -xka "mount" -d 'mount: only messages of mounts, from the port mapper to NFS'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l spec -xka "(_shtab_glob_compgen_aabcd4ef)" -d 'show the programs that this interface declares, too'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -s h -l help -d 'print this help'
complete -c rpcsnoop -n '_shtab_rpcsnoop_using top' -l version -d 'print the version'
complete -c rpcsnoop -F
