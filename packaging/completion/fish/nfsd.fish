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
# - _shtab_nfsd_cmdpath=(sub)command path seen so far
# - _shtab_nfsd_npos=number of positional arguments given after it
# - options are skipped based on _shtab_nfsd_opts_with_value & _shtab_nfsd_commands lists
function _shtab_nfsd_scan
  set -g _shtab_nfsd_cmdpath ''
  set -g _shtab_nfsd_npos 0
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
        if contains -- $t $_shtab_nfsd_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_nfsd_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_nfsd_cmdpath"
            set candidate "$_shtab_nfsd_cmdpath $t"
          end
          if contains -- $candidate $_shtab_nfsd_commands
            set -g _shtab_nfsd_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_nfsd_npos (math $_shtab_nfsd_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_nfsd_using
  _shtab_nfsd_scan
  test "$_shtab_nfsd_cmdpath" = "$argv"
end

set -g _shtab_nfsd_commands config explain exports locks reload service status top trace
set -g _shtab_nfsd_opts_with_value --backend --bind --by --color --config --count --exports --file --follow --free --host --init --interval --log-format --mount-port --nfs-versions --nlm-port --only --overlay --pid-file --port --port-mapper --proc --prog --program --root --rquota-port --snaplen --spec --state-dir --status --status-port --time --to --uid --user --web --workers -c -h -p -s -t -u

complete -c nfsd -e
complete -c nfsd -f

complete -c nfsd -n _shtab_nfsd_using -s d -l debug -d 'stay in the foreground, debug to stderr'
complete -c nfsd -n _shtab_nfsd_using -s f -l foreground -d 'stay in the foreground, log to stderr'
complete -c nfsd -n _shtab_nfsd_using -s p -l port -x -d 'serve NFS on this port instead of 2049'
complete -c nfsd -n _shtab_nfsd_using -s h -l bind -x -d 'bind to this address and the loopback ones, UDP and TCP; may be repeated'
complete -c nfsd -n _shtab_nfsd_using -s l -l loopback -l no-loopback -d 'bind to the loopback addresses only'
complete -c nfsd -n _shtab_nfsd_using -s 4 -l ipv4 -d 'serve IPv4 only; with -6 both'
complete -c nfsd -n _shtab_nfsd_using -s 6 -l ipv6 -d 'serve IPv6 only; with -4 both'
complete -c nfsd -n _shtab_nfsd_using -s u -l user -xka "(__fish_complete_users)" -d 'become this user once the sockets are bound; all clients work as this user'
complete -c nfsd -n _shtab_nfsd_using -l state-dir -xka "(__fish_complete_directories)" -d 'keep handles and locks in this directory instead of /var/lib/nfsd or, without root, ~/.local/state/nfsd'
complete -c nfsd -n _shtab_nfsd_using -l state -l no-state -d 'keep handles and locks over a restart'
complete -c nfsd -n _shtab_nfsd_using -l pid-file -xka "(__fish_complete_path (commandline -ct))" -d 'lock this file and write the process id into it, for '"'"'reload'"'"''
complete -c nfsd -n _shtab_nfsd_using -s v -l verbose -l no-verbose -d 'log every call with its outcome'
complete -c nfsd -n _shtab_nfsd_using -l log-format -xka "text json" -d 'the format of the log: text, or json'
complete -c nfsd -n _shtab_nfsd_using -l mount-port -x -d 'serve MOUNT on this port, too'
complete -c nfsd -n _shtab_nfsd_using -l nlm-port -x -d 'serve the lock manager on this port, too'
complete -c nfsd -n _shtab_nfsd_using -l status-port -x -d 'serve the status monitor on this port, too'
complete -c nfsd -n _shtab_nfsd_using -l rquota-port -x -d 'serve quotas on this port, too'
complete -c nfsd -n _shtab_nfsd_using -l only -x -d 'serve only these programs, with commas: mount, nfs, acl, nlm, status, rquota'
complete -c nfsd -n _shtab_nfsd_using -l nfs-versions -x -d 'serve only 3, or only 2'
complete -c nfsd -n _shtab_nfsd_using -l port-mapper -x -d 'where to register: host (the port mapper of the host), own (one in this daemon), none, or auto (host, else own)'
complete -c nfsd -n _shtab_nfsd_using -l local-users -l no-local-users -d 'serve all users of this host, also if the server works as one user'
complete -c nfsd -n _shtab_nfsd_using -l peer-uid -l no-peer-uid -d 'refuse local users that name another user in their calls'
complete -c nfsd -n _shtab_nfsd_using -l workers -x -d 'serve TCP in this number of processes'
complete -c nfsd -n _shtab_nfsd_using -l to -x -d 'export DIR to this client, such as '"'"'192.0.2.0/24(ro)'"'"'; may be repeated'
complete -c nfsd -n _shtab_nfsd_using -l backend -x -d 'serve DIR by this back end: local (directories, archives), fsspec (URLs), or fuse (classes)'
complete -c nfsd -n _shtab_nfsd_using -l overlay -x -d 'keep all changes in the directory UPPER; DIR, or an archive, is only read'
complete -c nfsd -n _shtab_nfsd_using -l web -x -d 'serve a web page and metrics there'
complete -c nfsd -n _shtab_nfsd_using -l exports -xka "(__fish_complete_path (commandline -ct))" -d 'read the exports from this file, or the files *.exports of this directory, instead of /etc/exports and /etc/exports.d; may be repeated'
complete -c nfsd -n _shtab_nfsd_using -l config -xka "(__fish_complete_path (commandline -ct))" -d 'read the configuration from this file instead of /etc/nfsd.toml'
complete -c nfsd -n _shtab_nfsd_using -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n _shtab_nfsd_using -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a config -d 'check: says whether FILE, or /etc/nfsd.toml, can be used, or all that is wrong with it, a line each'
complete -c nfsd -n '_shtab_nfsd_using config' -s d -l debug -d 'stay in the foreground, debug to stderr'
complete -c nfsd -n '_shtab_nfsd_using config' -s f -l foreground -d 'stay in the foreground, log to stderr'
complete -c nfsd -n '_shtab_nfsd_using config' -s p -l port -x -d 'serve NFS on this port instead of 2049'
complete -c nfsd -n '_shtab_nfsd_using config' -s h -l bind -x -d 'bind to this address and the loopback ones, UDP and TCP; may be repeated'
complete -c nfsd -n '_shtab_nfsd_using config' -s l -l loopback -l no-loopback -d 'bind to the loopback addresses only'
complete -c nfsd -n '_shtab_nfsd_using config' -s 4 -l ipv4 -d 'serve IPv4 only; with -6 both'
complete -c nfsd -n '_shtab_nfsd_using config' -s 6 -l ipv6 -d 'serve IPv6 only; with -4 both'
complete -c nfsd -n '_shtab_nfsd_using config' -s u -l user -xka "(__fish_complete_users)" -d 'become this user once the sockets are bound; all clients work as this user'
complete -c nfsd -n '_shtab_nfsd_using config' -l state-dir -xka "(__fish_complete_directories)" -d 'keep handles and locks in this directory instead of /var/lib/nfsd or, without root, ~/.local/state/nfsd'
complete -c nfsd -n '_shtab_nfsd_using config' -l state -l no-state -d 'keep handles and locks over a restart'
complete -c nfsd -n '_shtab_nfsd_using config' -l pid-file -xka "(__fish_complete_path (commandline -ct))" -d 'lock this file and write the process id into it, for '"'"'reload'"'"''
complete -c nfsd -n '_shtab_nfsd_using config' -s v -l verbose -l no-verbose -d 'log every call with its outcome'
complete -c nfsd -n '_shtab_nfsd_using config' -l log-format -xka "text json" -d 'the format of the log: text, or json'
complete -c nfsd -n '_shtab_nfsd_using config' -l mount-port -x -d 'serve MOUNT on this port, too'
complete -c nfsd -n '_shtab_nfsd_using config' -l nlm-port -x -d 'serve the lock manager on this port, too'
complete -c nfsd -n '_shtab_nfsd_using config' -l status-port -x -d 'serve the status monitor on this port, too'
complete -c nfsd -n '_shtab_nfsd_using config' -l rquota-port -x -d 'serve quotas on this port, too'
complete -c nfsd -n '_shtab_nfsd_using config' -l only -x -d 'serve only these programs, with commas: mount, nfs, acl, nlm, status, rquota'
complete -c nfsd -n '_shtab_nfsd_using config' -l nfs-versions -x -d 'serve only 3, or only 2'
complete -c nfsd -n '_shtab_nfsd_using config' -l port-mapper -x -d 'where to register: host (the port mapper of the host), own (one in this daemon), none, or auto (host, else own)'
complete -c nfsd -n '_shtab_nfsd_using config' -l local-users -l no-local-users -d 'serve all users of this host, also if the server works as one user'
complete -c nfsd -n '_shtab_nfsd_using config' -l peer-uid -l no-peer-uid -d 'refuse local users that name another user in their calls'
complete -c nfsd -n '_shtab_nfsd_using config' -l workers -x -d 'serve TCP in this number of processes'
complete -c nfsd -n '_shtab_nfsd_using config' -l to -x -d 'export DIR to this client, such as '"'"'192.0.2.0/24(ro)'"'"'; may be repeated'
complete -c nfsd -n '_shtab_nfsd_using config' -l backend -x -d 'serve DIR by this back end: local (directories, archives), fsspec (URLs), or fuse (classes)'
complete -c nfsd -n '_shtab_nfsd_using config' -l overlay -x -d 'keep all changes in the directory UPPER; DIR, or an archive, is only read'
complete -c nfsd -n '_shtab_nfsd_using config' -l web -x -d 'serve a web page and metrics there'
complete -c nfsd -n '_shtab_nfsd_using config' -l exports -xka "(__fish_complete_path (commandline -ct))" -d 'read the exports from this file, or the files *.exports of this directory, instead of /etc/exports and /etc/exports.d; may be repeated'
complete -c nfsd -n '_shtab_nfsd_using config' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'read the configuration from this file instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using config' -l json -d 'show it as JSON'
complete -c nfsd -n '_shtab_nfsd_using config' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using config' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using config; and test $_shtab_nfsd_npos -eq 0' -ka "check show" -d 'check or show'
complete -c nfsd -n '_shtab_nfsd_using config; and test $_shtab_nfsd_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'check this file instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a explain -d 'Reports whether a host may mount a path, which line of the exports grants or refuses it, with which options, and which users it works as'
complete -c nfsd -n '_shtab_nfsd_using explain' -l json -d 'print it as JSON, for programs'
complete -c nfsd -n '_shtab_nfsd_using explain' -l exports -xka "(__fish_complete_path (commandline -ct))" -d 'read this file, or the files *.exports of this directory, instead of those that are configured; may be repeated'
complete -c nfsd -n '_shtab_nfsd_using explain' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using explain' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using explain' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using explain' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using explain' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using explain; and test $_shtab_nfsd_npos -eq 0' -ka "(__fish_print_hostnames)" -d 'the client: its address, or a name'
complete -c nfsd -n '_shtab_nfsd_using explain; and test $_shtab_nfsd_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'the path that it mounts'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a exports -d 'list: shows what the running server exports, with all options, as '"'"'exportfs -v'"'"' does; with -s in the format of exports(5)'
complete -c nfsd -n '_shtab_nfsd_using exports' -s s -d 'list: in the format of exports(5)'
complete -c nfsd -n '_shtab_nfsd_using exports' -l json -d 'list, check: as JSON'
complete -c nfsd -n '_shtab_nfsd_using exports' -l exports -xka "(__fish_complete_path (commandline -ct))" -d 'read this file, or the files *.exports of this directory, instead of those that are configured; may be repeated'
complete -c nfsd -n '_shtab_nfsd_using exports' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using exports' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using exports' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using exports' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using exports' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using exports; and test $_shtab_nfsd_npos -eq 0' -ka "list check reload" -d 'one of list, check, reload; without it list'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a locks -d 'Lists the locks of NFS clients by file, with the requests that wait for them'
complete -c nfsd -n '_shtab_nfsd_using locks' -l free -x -d 'release all locks of this client, by its address or by its name'
complete -c nfsd -n '_shtab_nfsd_using locks' -l yes -d 'with --free: do not ask'
complete -c nfsd -n '_shtab_nfsd_using locks' -l json -d 'print it as JSON, for programs'
complete -c nfsd -n '_shtab_nfsd_using locks' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using locks' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using locks' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using locks' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using locks' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a reload -d 'Makes the running NFS server read its files again (SIGHUP) or, with --exec, execute its program again in the same process (SIGUSR2), and waits until it has done so'
complete -c nfsd -n '_shtab_nfsd_using reload' -l exec -d 'execute the program again, without losing a call'
complete -c nfsd -n '_shtab_nfsd_using reload' -l pid-file -xka "(__fish_complete_path (commandline -ct))" -d 'the file with the process id of the daemon'
complete -c nfsd -n '_shtab_nfsd_using reload' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using reload' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using reload' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using reload' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using reload' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a service -d 'Installs nfsd as a service of this host (install), removes it (uninstall), and has the init of the host start it, stop it, and so on: systemd if that runs, otherwise a System V init script in /etc/init.d'
complete -c nfsd -n '_shtab_nfsd_using service' -l root -xka "(__fish_complete_directories)" -d 'install, uninstall: only write below this folder'
complete -c nfsd -n '_shtab_nfsd_using service' -l init -xka "systemd sysv" -d 'install, uninstall: for this init, instead of the one that runs'
complete -c nfsd -n '_shtab_nfsd_using service' -l program -xka "(__fish_complete_path (commandline -ct))" -d 'install: the nfsd command that the service runs, instead of this one'
complete -c nfsd -n '_shtab_nfsd_using service' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using service' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using service; and test $_shtab_nfsd_npos -eq 0' -ka "install uninstall start stop restart condrestart reload status" -d 'one of install, uninstall, start, stop, restart, condrestart, reload, status'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a status -d 'Shows the state of the NFS server of this host: its sockets, connections and calls, its exports and what is wrong with them, and its clients'
complete -c nfsd -n '_shtab_nfsd_using status' -l json -d 'print it as JSON, for programs'
complete -c nfsd -n '_shtab_nfsd_using status' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using status' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using status' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using status' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using status' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a top -d 'Shows the calls per second of the NFS server of this host by procedure, with the time that they took since the last refresh, and its clients'
complete -c nfsd -n '_shtab_nfsd_using top' -l interval -x -d 'refresh at this interval instead of every second'
complete -c nfsd -n '_shtab_nfsd_using top' -l json -d 'print each status as a line of JSON, for programs; needs no terminal'
complete -c nfsd -n '_shtab_nfsd_using top' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using top' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using top' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using top' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using top' -l help -d 'show this help and exit'
complete -c nfsd -n '_shtab_nfsd_using; and test $_shtab_nfsd_npos -eq 0' -a trace -d 'Shows each call to the NFS server of this host and its reply, as rpcsnoop does, until Ctrl-C'
complete -c nfsd -n '_shtab_nfsd_using trace' -s v -l tree -d 'show all fields of a message, with their offsets'
complete -c nfsd -n '_shtab_nfsd_using trace' -l json -d 'write each message as a JSON object on a line'
complete -c nfsd -n '_shtab_nfsd_using trace' -l stats -d 'show figures of each procedure instead of messages'
complete -c nfsd -n '_shtab_nfsd_using trace' -l by -xka "client server file" -d 'with --stats: figures of each client, server or file instead'
complete -c nfsd -n '_shtab_nfsd_using trace' -s t -l time -x -d 'a: of day; d: since the line before; r: since the first line; service or transfer: one more column'
complete -c nfsd -n '_shtab_nfsd_using trace' -l names -d 'show names of hosts, looked up in the background'
complete -c nfsd -n '_shtab_nfsd_using trace' -s r -l addresses -d 'show addresses of hosts: the default'
complete -c nfsd -n '_shtab_nfsd_using trace' -l color -xka "auto always never" -d 'colour lines: always, never, or auto: on a terminal'
complete -c nfsd -n '_shtab_nfsd_using trace' -l prog -xka "(sed -n 's/^\([a-z][^[:space:]]*\).*/\1/p' /etc/rpc 2>/dev/null)" -d 'only this program, by name or number; or PROGRAM,VERSION'
complete -c nfsd -n '_shtab_nfsd_using trace' -l proc -xka "NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT" -d 'only this procedure, by name or number'
complete -c nfsd -n '_shtab_nfsd_using trace' -l host -x -d 'only messages from or to this address'
complete -c nfsd -n '_shtab_nfsd_using trace' -l status -x -d 'only calls with this status; '"'"'!OK'"'"' for others, or unanswered'
complete -c nfsd -n '_shtab_nfsd_using trace' -l uid -x -d 'show the user of AUTH_SYS; with UID only calls of this user'
complete -c nfsd -n '_shtab_nfsd_using trace' -l file -x -d 'only calls about this file, by name or handle; may be a pattern'
complete -c nfsd -n '_shtab_nfsd_using trace' -l follow -xka "mount" -d 'mount: only messages of mounts, from the port mapper to NFS'
complete -c nfsd -n '_shtab_nfsd_using trace' -l spec -xka "(_shtab_glob_compgen_aabcd4ef)" -d 'show the programs that this interface declares, too'
complete -c nfsd -n '_shtab_nfsd_using trace' -s c -l count -x -d 'end after N messages were shown'
complete -c nfsd -n '_shtab_nfsd_using trace' -s s -l snaplen -x -d 'show at most this number of bytes of each message'
complete -c nfsd -n '_shtab_nfsd_using trace' -l state-dir -xka "(__fish_complete_directories)" -d 'the daemon with this --state-dir, instead of the usual one'
complete -c nfsd -n '_shtab_nfsd_using trace' -s p -l port -x -d 'the daemon on this port, instead of 2049; also 127.0.0.1:PORT'
complete -c nfsd -n '_shtab_nfsd_using trace' -l config -xka "(__fish_complete_path (commandline -ct))" -d 'ask the daemon that is configured by this file, instead of /etc/nfsd.toml'
complete -c nfsd -n '_shtab_nfsd_using trace' -s V -l version -d 'show program'"'"'s version number and exit'
complete -c nfsd -n '_shtab_nfsd_using trace' -l help -d 'show this help and exit'
complete -c nfsd -f -a '(__fish_complete_directories)'
