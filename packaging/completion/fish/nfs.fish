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

set -g _shtab_nfs_commands ls cat stat df find tree mkdir rm mv cp ln chmod touch ping bench mount umount
set -g _shtab_nfs_opts_with_value --count --gid --iname --interval --jobs --level --maxdepth --mindepth --mmin --mode --mtime --name --newer --nfs-version --options --path --seconds --size --timeout --type --uid -L -c -i -j -m -o -s -t

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
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a cat -d 'write the content of files to standard output'
complete -c nfs -n '_shtab_nfs_using cat' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using cat' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using cat' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using cat' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using cat' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using cat' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a stat -d 'print the attributes of files'
complete -c nfs -n '_shtab_nfs_using stat' -s L -l dereference -d 'follow symbolic links'
complete -c nfs -n '_shtab_nfs_using stat' -l json -d 'print a JSON object for each file, one on a line'
complete -c nfs -n '_shtab_nfs_using stat' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using stat' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using stat' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using stat' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using stat' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using stat' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a df -d 'print the space of exports; without a path, of all exports of the server'
complete -c nfs -n '_shtab_nfs_using df' -s h -l human-readable -d 'print sizes such as 1.5K and 12M'
complete -c nfs -n '_shtab_nfs_using df' -s i -l inodes -d 'print numbers of files instead of space'
complete -c nfs -n '_shtab_nfs_using df' -l json -d 'print a JSON object for each export, one on a line'
complete -c nfs -n '_shtab_nfs_using df' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using df' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using df' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using df' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using df' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using df' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a find -d 'print the URLs of files in directories and below that pass all tests'
complete -c nfs -n '_shtab_nfs_using find' -l name -x -d 'the name matches, such as '"'"'*.log'"'"''
complete -c nfs -n '_shtab_nfs_using find' -l iname -x -d 'the same, also if the case differs'
complete -c nfs -n '_shtab_nfs_using find' -l path -x -d 'the whole path on the server matches'
complete -c nfs -n '_shtab_nfs_using find' -l type -x -d 'one of the types f, d, l, p, s, b, c; as in f,l'
complete -c nfs -n '_shtab_nfs_using find' -l size -x -d 'the size in 512-byte blocks, or in the unit c, k, M or G'
complete -c nfs -n '_shtab_nfs_using find' -l mtime -x -d 'modified N days ago'
complete -c nfs -n '_shtab_nfs_using find' -l mmin -x -d 'modified N minutes ago'
complete -c nfs -n '_shtab_nfs_using find' -l newer -xka "(__fish_complete_path (commandline -ct))" -d 'modified later than this local file or URL'
complete -c nfs -n '_shtab_nfs_using find' -l mindepth -x -d 'at least N levels below the start'
complete -c nfs -n '_shtab_nfs_using find' -l maxdepth -x -d 'at most N levels below the start'
complete -c nfs -n '_shtab_nfs_using find' -l print0 -d 'print a NUL after each URL instead of a newline'
complete -c nfs -n '_shtab_nfs_using find' -l json -d 'print a JSON object for each file, one on a line'
complete -c nfs -n '_shtab_nfs_using find' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using find' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using find' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using find' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using find' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using find' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a tree -d 'draw directories and what is below them'
complete -c nfs -n '_shtab_nfs_using tree' -s a -l all -d 'also show names that begin with a dot'
complete -c nfs -n '_shtab_nfs_using tree' -s d -l directories -d 'show only directories'
complete -c nfs -n '_shtab_nfs_using tree' -s L -l level -x -d 'descend at most N levels'
complete -c nfs -n '_shtab_nfs_using tree' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using tree' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using tree' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using tree' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using tree' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using tree' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a mkdir -d 'create directories'
complete -c nfs -n '_shtab_nfs_using mkdir' -s p -l parents -d 'create missing parents; do not fail if it exists'
complete -c nfs -n '_shtab_nfs_using mkdir' -s m -l mode -x -d 'the permissions, octal; 755 by default'
complete -c nfs -n '_shtab_nfs_using mkdir' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using mkdir' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using mkdir' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using mkdir' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using mkdir' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using mkdir' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a rm -d 'remove files'
complete -c nfs -n '_shtab_nfs_using rm' -s r -l recursive -d 'remove directories with all that is in them'
complete -c nfs -n '_shtab_nfs_using rm' -s d -l dir -d 'remove empty directories'
complete -c nfs -n '_shtab_nfs_using rm' -s f -l force -d 'do not fail if a file does not exist'
complete -c nfs -n '_shtab_nfs_using rm' -s v -l verbose -d 'print each file that is removed'
complete -c nfs -n '_shtab_nfs_using rm' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using rm' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using rm' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using rm' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using rm' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using rm' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a mv -d 'rename files, or move them into a directory of the same export'
complete -c nfs -n '_shtab_nfs_using mv' -s n -l no-clobber -d 'do not replace existing files'
complete -c nfs -n '_shtab_nfs_using mv' -s v -l verbose -d 'print each file that is moved'
complete -c nfs -n '_shtab_nfs_using mv' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using mv' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using mv' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using mv' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using mv' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using mv' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a cp -d 'copy files to a server, from it, or between servers'
complete -c nfs -n '_shtab_nfs_using cp' -s r -l recursive -d 'copy directories, and symbolic links as links'
complete -c nfs -n '_shtab_nfs_using cp' -s p -l preserve -d 'keep modes, all times, and owners where permitted'
complete -c nfs -n '_shtab_nfs_using cp' -s n -l no-clobber -d 'do not replace existing files'
complete -c nfs -n '_shtab_nfs_using cp' -l resume -d 'skip complete files, and continue partial ones'
complete -c nfs -n '_shtab_nfs_using cp' -s T -l no-target-directory -d 'TARGET is the name of the copy'
complete -c nfs -n '_shtab_nfs_using cp' -s j -l jobs -x -d 'files copied at once; 16 by default'
complete -c nfs -n '_shtab_nfs_using cp' -s q -l quiet -d 'show no progress'
complete -c nfs -n '_shtab_nfs_using cp' -s v -l verbose -d 'print each file that is copied'
complete -c nfs -n '_shtab_nfs_using cp' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using cp' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using cp' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using cp' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using cp' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using cp' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using cp; and test $_shtab_nfs_npos -ge 0' -ka "(__fish_complete_path (commandline -ct))" -d FILE
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a ln -d 'create a hard link to a file, or with -s a symbolic link'
complete -c nfs -n '_shtab_nfs_using ln' -s s -l symbolic -d 'create a symbolic link, whose text is TARGET'
complete -c nfs -n '_shtab_nfs_using ln' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using ln' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using ln' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using ln' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using ln' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using ln' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a chmod -d 'set the permissions of files, octal'
complete -c nfs -n '_shtab_nfs_using chmod' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using chmod' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using chmod' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using chmod' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using chmod' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using chmod' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a touch -d 'set the times of files to now, and create missing ones'
complete -c nfs -n '_shtab_nfs_using touch' -s c -l no-create -d 'do not create files'
complete -c nfs -n '_shtab_nfs_using touch' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using touch' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using touch' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using touch' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using touch' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using touch' -s V -l version -d 'print the version'
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
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a bench -d 'measure how fast a directory of a server is read, written and listed'
complete -c nfs -n '_shtab_nfs_using bench' -s s -l size -x -d 'the size of the file, such as 512M; 256M by default'
complete -c nfs -n '_shtab_nfs_using bench' -s t -l seconds -x -d 'the limit of each test; 3 by default'
complete -c nfs -n '_shtab_nfs_using bench' -l json -d 'print a JSON object'
complete -c nfs -n '_shtab_nfs_using bench' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using bench' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using bench' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using bench' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using bench' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using bench' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a mount -d 'mount a directory of a server by FUSE, without root'
complete -c nfs -n '_shtab_nfs_using mount' -s o -l options -x -d 'ro, allow_other, vers=2 and others, with commas'
complete -c nfs -n '_shtab_nfs_using mount' -s f -l foreground -d 'stay in the foreground'
complete -c nfs -n '_shtab_nfs_using mount' -l nfs-version -x -d 'the version of NFS, 3 or 2; by default 3, then 2'
complete -c nfs -n '_shtab_nfs_using mount' -l uid -x -d 'be this user on the server'
complete -c nfs -n '_shtab_nfs_using mount' -l gid -x -d 'be in this group on the server'
complete -c nfs -n '_shtab_nfs_using mount' -l timeout -x -d 'time for each call; 60 by default'
complete -c nfs -n '_shtab_nfs_using mount' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using mount' -s V -l version -d 'print the version'
complete -c nfs -n '_shtab_nfs_using; and test $_shtab_nfs_npos -eq 0' -a umount -d 'unmount what nfs mount has mounted'
complete -c nfs -n '_shtab_nfs_using umount' -s l -l lazy -d 'detach a directory that is in use; it ends when it is not'
complete -c nfs -n '_shtab_nfs_using umount' -l help -d 'print this help'
complete -c nfs -n '_shtab_nfs_using umount' -s V -l version -d 'print the version'
