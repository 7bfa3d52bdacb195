# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.


# Parse current commandline:
# - _shtab_rpcinfo_cmdpath=(sub)command path seen so far
# - _shtab_rpcinfo_npos=number of positional arguments given after it
# - options are skipped based on _shtab_rpcinfo_opts_with_value & _shtab_rpcinfo_commands lists
function _shtab_rpcinfo_scan
  set -g _shtab_rpcinfo_cmdpath ''
  set -g _shtab_rpcinfo_npos 0
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
        if contains -- $t $_shtab_rpcinfo_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_rpcinfo_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_rpcinfo_cmdpath"
            set candidate "$_shtab_rpcinfo_cmdpath $t"
          end
          if contains -- $candidate $_shtab_rpcinfo_commands
            set -g _shtab_rpcinfo_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_rpcinfo_npos (math $_shtab_rpcinfo_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_rpcinfo_using
  _shtab_rpcinfo_scan
  test "$_shtab_rpcinfo_cmdpath" = "$argv"
end

set -g _shtab_rpcinfo_commands scan
set -g _shtab_rpcinfo_opts_with_value --address --jobs --limit --port --program-port --rate --rpcbind-port --socket --timeout --transport -T -a -n

complete -c rpcinfo -e
complete -c rpcinfo -f

complete -c rpcinfo -n _shtab_rpcinfo_using -s p -l portmap -d 'list the registrations in version 2 of the port mapper'
complete -c rpcinfo -n _shtab_rpcinfo_using -s s -l summary -d 'list the registered programs, one line each'
complete -c rpcinfo -n _shtab_rpcinfo_using -s m -l statistics -d 'show how often each procedure was called'
complete -c rpcinfo -n _shtab_rpcinfo_using -s l -l list -d 'list the addresses of one version of a program'
complete -c rpcinfo -n _shtab_rpcinfo_using -s t -l tcp -d 'ping a program over TCP'
complete -c rpcinfo -n _shtab_rpcinfo_using -s u -l udp -d 'ping a program over UDP'
complete -c rpcinfo -n _shtab_rpcinfo_using -s a -l address -x -d 'ping a program at a universal address; needs -T'
complete -c rpcinfo -n _shtab_rpcinfo_using -s b -l broadcast -d 'ask all hosts of the local networks for a program'
complete -c rpcinfo -n _shtab_rpcinfo_using -s d -l delete -d 'delete a registration of this host'
complete -c rpcinfo -n _shtab_rpcinfo_using -s T -l transport -xka "udp tcp udp6 tcp6 local" -d 'the transport, such as tcp, udp6 or local'
complete -c rpcinfo -n _shtab_rpcinfo_using -s n -l program-port -x -d 'with -t or -u: ping this port, ask no port mapper'
complete -c rpcinfo -n _shtab_rpcinfo_using -l watch -d 'list repeatedly, and mark what is new and what is gone'
complete -c rpcinfo -n _shtab_rpcinfo_using -l json -d 'write one JSON document'
complete -c rpcinfo -n _shtab_rpcinfo_using -l timeout -x -d 'time for each reply, or for all replies with -b'
complete -c rpcinfo -n _shtab_rpcinfo_using -l port -x -d 'the port of the port mapper; 111 by default'
complete -c rpcinfo -n _shtab_rpcinfo_using -l rpcbind-port -x -d 'the same as --port'
complete -c rpcinfo -n _shtab_rpcinfo_using -l socket -xka "(__fish_complete_path (commandline -ct))" -d 'the local socket of the port mapper; @NAME if abstract'
complete -c rpcinfo -n _shtab_rpcinfo_using -l help -d 'print this help'
complete -c rpcinfo -n _shtab_rpcinfo_using -s V -l version -d 'print the version'
complete -c rpcinfo -n '_shtab_rpcinfo_using; and test $_shtab_rpcinfo_npos -eq 0' -a scan -d 'ask many hosts'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l jobs -x -d 'hosts asked at the same time; by default 64'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l rate -x -d 'hosts asked per second at most; by default 200'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l timeout -x -d 'time per host and transport; by default 2'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l limit -x -d 'refuse to ask more hosts than this; by default 4096'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l port -x -d 'the port of the port mappers; 111 by default'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l rpcbind-port -x -d 'the same as --port'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l json -d 'write a JSON object on a line for each host'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -l help -d 'print this help'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan' -s V -l version -d 'print the version'
complete -c rpcinfo -n '_shtab_rpcinfo_using scan; and test $_shtab_rpcinfo_npos -ge 0' -ka "(__fish_print_hostnames)" -d NETWORK
complete -c rpcinfo -f -a '(__fish_print_hostnames)'
