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
# - _shtab_xdrc_cmdpath=(sub)command path seen so far
# - _shtab_xdrc_npos=number of positional arguments given after it
# - options are skipped based on _shtab_xdrc_opts_with_value & _shtab_xdrc_commands lists
function _shtab_xdrc_scan
  set -g _shtab_xdrc_cmdpath ''
  set -g _shtab_xdrc_npos 0
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
        if contains -- $t $_shtab_xdrc_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_xdrc_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_xdrc_cmdpath"
            set candidate "$_shtab_xdrc_cmdpath $t"
          end
          if contains -- $candidate $_shtab_xdrc_commands
            set -g _shtab_xdrc_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_xdrc_npos (math $_shtab_xdrc_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_xdrc_using
  _shtab_xdrc_scan
  test "$_shtab_xdrc_cmdpath" = "$argv"
end

set -g _shtab_xdrc_commands
set -g _shtab_xdrc_opts_with_value --define --import --include --output -D -I -o

complete -c xdrc -e
complete -c xdrc -f

complete -c xdrc -n _shtab_xdrc_using -s o -l output -xka "(__fish_complete_path (commandline -ct))" -d 'write there, or into that directory; by default to stdout'
complete -c xdrc -n _shtab_xdrc_using -s c -l check -d 'write nothing; fail if the output is missing or stale'
complete -c xdrc -n _shtab_xdrc_using -s j -l json -d 'write the resolved tree as JSON'
complete -c xdrc -n _shtab_xdrc_using -s I -l include -xka "(__fish_complete_directories)" -d 'look for included files there too'
complete -c xdrc -n _shtab_xdrc_using -s D -l define -x -d 'define a name for the preprocessor'
complete -c xdrc -n _shtab_xdrc_using -l import -x -d 'import the declarations of an included NAME.x from there'
complete -c xdrc -n _shtab_xdrc_using -l help -d 'print this help'
complete -c xdrc -n _shtab_xdrc_using -s V -l version -d 'print the version'
complete -c xdrc -n '_shtab_xdrc_using; and test $_shtab_xdrc_npos -ge 0' -ka "(_shtab_glob_compgen_aabcd4ef)" -d FILE.x
