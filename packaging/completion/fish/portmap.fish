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
# - _shtab_portmap_cmdpath=(sub)command path seen so far
# - _shtab_portmap_npos=number of positional arguments given after it
# - options are skipped based on _shtab_portmap_opts_with_value & _shtab_portmap_commands lists
function _shtab_portmap_scan
  set -g _shtab_portmap_cmdpath ''
  set -g _shtab_portmap_npos 0
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
        if contains -- $t $_shtab_portmap_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_portmap_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_portmap_cmdpath"
            set candidate "$_shtab_portmap_cmdpath $t"
          end
          if contains -- $candidate $_shtab_portmap_commands
            set -g _shtab_portmap_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_portmap_npos (math $_shtab_portmap_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_portmap_using
  _shtab_portmap_scan
  test "$_shtab_portmap_cmdpath" = "$argv"
end

set -g _shtab_portmap_commands config explain reload service status top trace
set -g _shtab_portmap_opts_with_value --bind --by --color --config --count --file --follow --host --init --interval --liveness --log-format --netid --pid-file --port --proc --prog --program --root --rpcbind-port --snaplen --spec --state-dir --status --time --to --uid --user --warm-start --web -c -h -p -s -t -u -w

complete -c portmap -e
complete -c portmap -f

complete -c portmap -n _shtab_portmap_using -s d -l debug -d 'stay in the foreground, debug to stderr'
complete -c portmap -n _shtab_portmap_using -s f -l foreground -d 'stay in the foreground, log to stderr'
complete -c portmap -n _shtab_portmap_using -s p -l port -x -d 'listen on this port instead of 111; 0: any that is free'
complete -c portmap -n _shtab_portmap_using -s h -l bind -x -d 'bind to this address and the loopback ones, UDP and TCP; may be repeated'
complete -c portmap -n _shtab_portmap_using -s l -l loopback -l no-loopback -d 'bind to the loopback addresses only'
complete -c portmap -n _shtab_portmap_using -s 4 -l ipv4 -d 'serve IPv4 only; with -6 both'
complete -c portmap -n _shtab_portmap_using -s 6 -l ipv6 -d 'serve IPv6 only; with -4 both'
complete -c portmap -n _shtab_portmap_using -l local -l no-local -d 'serve the local sockets'
complete -c portmap -n _shtab_portmap_using -s u -l user -xka "(__fish_complete_users)" -d 'become this user once the sockets are bound (as root: _rpc, rpc or nobody)'
complete -c portmap -n _shtab_portmap_using -l state-dir -xka "(__fish_complete_directories)" -d 'keep the state in this directory instead of /run/portmap or, without root, $RUNTIME_DIRECTORY/portmap or $XDG_RUNTIME_DIR/portmap'
complete -c portmap -n _shtab_portmap_using -l state -l no-state -d 'keep the state over a restart'
complete -c portmap -n _shtab_portmap_using -l pid-file -xka "(__fish_complete_path (commandline -ct))" -d 'lock this file too and write the process id into it, for '"'"'reload'"'"''
complete -c portmap -n _shtab_portmap_using -s v -l verbose -l no-verbose -d 'log every call'
complete -c portmap -n _shtab_portmap_using -l log-format -xka "text json" -d 'the format of the log: text, or json'
complete -c portmap -n _shtab_portmap_using -s i -l insecure -l no-insecure -d 'let anyone register and unregister, from any address: for isolated networks'
complete -c portmap -n _shtab_portmap_using -s r -l remote-calls -l no-remote-calls -d 'call local programs for others (CALLIT, BCAST, INDIRECT): for broadcast RPC'
complete -c portmap -n _shtab_portmap_using -s w -l warm-start -xka "(__fish_complete_path (commandline -ct))" -d 'read and keep the registrations in the C daemon'"'"'s portmap.xdr or rpcbind.xdr, or in the directory that has them; without FILE /run/rpcbind'
complete -c portmap -n _shtab_portmap_using -l web -x -d 'serve a web page and metrics there'
complete -c portmap -n _shtab_portmap_using -l liveness -x -d 'drop registrations whose server is gone: check this often instead of every 60 seconds; 0: never'
complete -c portmap -n _shtab_portmap_using -l watch -l no-watch -d 'also check when a process ends that registered locally'
complete -c portmap -n _shtab_portmap_using -l config -xka "(__fish_complete_path (commandline -ct))" -d 'read the configuration from this file instead of /etc/portmap.toml'
complete -c portmap -n _shtab_portmap_using -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n _shtab_portmap_using -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a config -d 'check: says whether FILE, or /etc/portmap.toml, can be used, or all that is wrong with it, a line each'
complete -c portmap -n '_shtab_portmap_using config' -s d -l debug -d 'stay in the foreground, debug to stderr'
complete -c portmap -n '_shtab_portmap_using config' -s f -l foreground -d 'stay in the foreground, log to stderr'
complete -c portmap -n '_shtab_portmap_using config' -s p -l port -x -d 'listen on this port instead of 111; 0: any that is free'
complete -c portmap -n '_shtab_portmap_using config' -s h -l bind -x -d 'bind to this address and the loopback ones, UDP and TCP; may be repeated'
complete -c portmap -n '_shtab_portmap_using config' -s l -l loopback -l no-loopback -d 'bind to the loopback addresses only'
complete -c portmap -n '_shtab_portmap_using config' -s 4 -l ipv4 -d 'serve IPv4 only; with -6 both'
complete -c portmap -n '_shtab_portmap_using config' -s 6 -l ipv6 -d 'serve IPv6 only; with -4 both'
complete -c portmap -n '_shtab_portmap_using config' -l local -l no-local -d 'serve the local sockets'
complete -c portmap -n '_shtab_portmap_using config' -s u -l user -xka "(__fish_complete_users)" -d 'become this user once the sockets are bound (as root: _rpc, rpc or nobody)'
complete -c portmap -n '_shtab_portmap_using config' -l state-dir -xka "(__fish_complete_directories)" -d 'keep the state in this directory instead of /run/portmap or, without root, $RUNTIME_DIRECTORY/portmap or $XDG_RUNTIME_DIR/portmap'
complete -c portmap -n '_shtab_portmap_using config' -l state -l no-state -d 'keep the state over a restart'
complete -c portmap -n '_shtab_portmap_using config' -l pid-file -xka "(__fish_complete_path (commandline -ct))" -d 'lock this file too and write the process id into it, for '"'"'reload'"'"''
complete -c portmap -n '_shtab_portmap_using config' -s v -l verbose -l no-verbose -d 'log every call'
complete -c portmap -n '_shtab_portmap_using config' -l log-format -xka "text json" -d 'the format of the log: text, or json'
complete -c portmap -n '_shtab_portmap_using config' -s i -l insecure -l no-insecure -d 'let anyone register and unregister, from any address: for isolated networks'
complete -c portmap -n '_shtab_portmap_using config' -s r -l remote-calls -l no-remote-calls -d 'call local programs for others (CALLIT, BCAST, INDIRECT): for broadcast RPC'
complete -c portmap -n '_shtab_portmap_using config' -s w -l warm-start -xka "(__fish_complete_path (commandline -ct))" -d 'read and keep the registrations in the C daemon'"'"'s portmap.xdr or rpcbind.xdr, or in the directory that has them; without FILE /run/rpcbind'
complete -c portmap -n '_shtab_portmap_using config' -l web -x -d 'serve a web page and metrics there'
complete -c portmap -n '_shtab_portmap_using config' -l liveness -x -d 'drop registrations whose server is gone: check this often instead of every 60 seconds; 0: never'
complete -c portmap -n '_shtab_portmap_using config' -l watch -l no-watch -d 'also check when a process ends that registered locally'
complete -c portmap -n '_shtab_portmap_using config' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'read the configuration from this file instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using config' -l json -d 'show it as JSON'
complete -c portmap -n '_shtab_portmap_using config' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using config' -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using config; and test $_shtab_portmap_npos -eq 0' -ka "check show" -d 'check or show'
complete -c portmap -n '_shtab_portmap_using config; and test $_shtab_portmap_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'check this file instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a explain -d 'Reports whether the rules allow a call, and which rule of /etc/portmap.toml, /etc/hosts.allow or /etc/hosts.deny decides'
complete -c portmap -n '_shtab_portmap_using explain' -l netid -xka "udp tcp udp6 tcp6 local" -d 'the transport of the call; by default udp or udp6'
complete -c portmap -n '_shtab_portmap_using explain' -l to -x -d 'the address of this host that is called, for rules of hosts_access(5) about it'
complete -c portmap -n '_shtab_portmap_using explain' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'read this file instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using explain' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using explain' -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using explain; and test $_shtab_portmap_npos -eq 1' -ka "NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT" -d 'such as GETPORT of version 2, or GETADDR of versions 3 and 4'
complete -c portmap -n '_shtab_portmap_using explain; and test $_shtab_portmap_npos -eq 2' -ka "(sed -n 's/^\([a-z][^[:space:]]*\).*/\1/p' /etc/rpc 2>/dev/null)" -d 'the program that is asked for, by number or name'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a reload -d 'Makes the running port mapper read its files again (SIGHUP) or, with --exec, execute its program again in the same process (SIGUSR2), and waits until it has done so'
complete -c portmap -n '_shtab_portmap_using reload' -l exec -d 'execute the program again, without losing a call'
complete -c portmap -n '_shtab_portmap_using reload' -l pid-file -xka "(__fish_complete_path (commandline -ct))" -d 'the file with the process id of the daemon, instead of /run/rpcbind.lock'
complete -c portmap -n '_shtab_portmap_using reload' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c portmap -n '_shtab_portmap_using reload' -s p -l port -l rpcbind-port -x -d 'the daemon on this port, instead of 111; also 127.0.0.1:PORT'
complete -c portmap -n '_shtab_portmap_using reload' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using reload' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using reload' -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a service -d 'Installs portmap as a service of this host (install), removes it (uninstall), and has the init of the host start it, stop it, and so on: systemd if that runs, otherwise a System V init script in /etc/init.d'
complete -c portmap -n '_shtab_portmap_using service' -l root -xka "(__fish_complete_directories)" -d 'install, uninstall: only write below this folder'
complete -c portmap -n '_shtab_portmap_using service' -l init -xka "systemd sysv" -d 'install, uninstall: for this init, instead of the one that runs'
complete -c portmap -n '_shtab_portmap_using service' -l program -xka "(__fish_complete_path (commandline -ct))" -d 'install: the portmap command that the service runs, instead of this one'
complete -c portmap -n '_shtab_portmap_using service' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using service' -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using service; and test $_shtab_portmap_npos -eq 0' -ka "install uninstall start stop restart condrestart reload status" -d 'one of install, uninstall, start, stop, restart, condrestart, reload, status'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a status -d 'Shows the state of the port mapper of this host: its sockets, connections and calls, refused calls, and every registration with its age and whether its server is there'
complete -c portmap -n '_shtab_portmap_using status' -l json -d 'print it as JSON, for programs'
complete -c portmap -n '_shtab_portmap_using status' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c portmap -n '_shtab_portmap_using status' -s p -l port -l rpcbind-port -x -d 'the daemon on this port, instead of 111; also 127.0.0.1:PORT'
complete -c portmap -n '_shtab_portmap_using status' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using status' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using status' -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a top -d 'Shows the state of the port mapper of this host as '"'"'portmap status'"'"' does and refreshes it, with the calls per second since the last refresh'
complete -c portmap -n '_shtab_portmap_using top' -l interval -x -d 'refresh at this interval instead of every second'
complete -c portmap -n '_shtab_portmap_using top' -l json -d 'print each status as a line of JSON, for programs; needs no terminal'
complete -c portmap -n '_shtab_portmap_using top' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c portmap -n '_shtab_portmap_using top' -s p -l port -l rpcbind-port -x -d 'the daemon on this port, instead of 111; also 127.0.0.1:PORT'
complete -c portmap -n '_shtab_portmap_using top' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using top' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using top' -l help -d 'show this help and exit'
complete -c portmap -n '_shtab_portmap_using; and test $_shtab_portmap_npos -eq 0' -a trace -d 'Shows each call to the port mapper of this host and its reply, as rpcsnoop does, until Ctrl-C'
complete -c portmap -n '_shtab_portmap_using trace' -s v -l tree -d 'show all fields of a message, with their offsets'
complete -c portmap -n '_shtab_portmap_using trace' -l json -d 'write each message as a JSON object on a line'
complete -c portmap -n '_shtab_portmap_using trace' -l stats -d 'show figures of each procedure instead of messages'
complete -c portmap -n '_shtab_portmap_using trace' -l by -xka "client server file" -d 'with --stats: figures of each client, server or file instead'
complete -c portmap -n '_shtab_portmap_using trace' -s t -l time -x -d 'a: of day; d: since the line before; r: since the first line; service or transfer: one more column'
complete -c portmap -n '_shtab_portmap_using trace' -l names -d 'show names of hosts, looked up in the background'
complete -c portmap -n '_shtab_portmap_using trace' -s r -l addresses -d 'show addresses of hosts: the default'
complete -c portmap -n '_shtab_portmap_using trace' -l color -xka "auto always never" -d 'colour lines: always, never, or auto: on a terminal'
complete -c portmap -n '_shtab_portmap_using trace' -l prog -xka "(sed -n 's/^\([a-z][^[:space:]]*\).*/\1/p' /etc/rpc 2>/dev/null)" -d 'only this program, by name or number; or PROGRAM,VERSION'
complete -c portmap -n '_shtab_portmap_using trace' -l proc -xka "NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT" -d 'only this procedure, by name or number'
complete -c portmap -n '_shtab_portmap_using trace' -l host -x -d 'only messages from or to this address'
complete -c portmap -n '_shtab_portmap_using trace' -l status -x -d 'only calls with this status; '"'"'!OK'"'"' for others, or unanswered'
complete -c portmap -n '_shtab_portmap_using trace' -l uid -x -d 'show the user of AUTH_SYS; with UID only calls of this user'
complete -c portmap -n '_shtab_portmap_using trace' -l file -x -d 'only calls about this file, by name or handle; may be a pattern'
complete -c portmap -n '_shtab_portmap_using trace' -l follow -xka "mount" -d 'mount: only messages of mounts, from the port mapper to NFS'
complete -c portmap -n '_shtab_portmap_using trace' -l spec -xka "(_shtab_glob_compgen_aabcd4ef)" -d 'show the programs that this interface declares, too'
complete -c portmap -n '_shtab_portmap_using trace' -s c -l count -x -d 'end after N messages were shown'
complete -c portmap -n '_shtab_portmap_using trace' -s s -l snaplen -x -d 'show at most this number of bytes of each message'
complete -c portmap -n '_shtab_portmap_using trace' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c portmap -n '_shtab_portmap_using trace' -s p -l port -l rpcbind-port -x -d 'the daemon on this port, instead of 111; also 127.0.0.1:PORT'
complete -c portmap -n '_shtab_portmap_using trace' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/portmap.toml'
complete -c portmap -n '_shtab_portmap_using trace' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c portmap -n '_shtab_portmap_using trace' -l help -d 'show this help and exit'
