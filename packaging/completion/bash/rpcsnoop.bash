# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.

_shtab_rpcsnoop_subparsers=(explain top)

_shtab_rpcsnoop_explain_option_strings=(--client --json -i --interface -w --write --promiscuous -Z --relinquish -h --help --version)
_shtab_rpcsnoop_top_option_strings=(-i --interface -s --snaplen --promiscuous -Z --relinquish --interval --json --prog --proc --host --status --uid --file --follow --spec -h --help --version)
_shtab_rpcsnoop_option_strings=(-v --tree -V --layers --json --stats --by -t --time --names -r --addresses --color --prog --proc --host --status --uid --file --follow --spec -i --interface -c --count -w --write --print -s --snaplen --promiscuous -Z --relinquish -h --help --version)

_shtab_rpcsnoop_explain_pos_0_COMPGEN=_shtab_compgen_files
_shtab_rpcsnoop_explain__w_COMPGEN=_shtab_compgen_files
_shtab_rpcsnoop_explain___write_COMPGEN=_shtab_compgen_files
_shtab_rpcsnoop_explain__Z_COMPGEN=_oncrpc_compgen_users
_shtab_rpcsnoop_explain___relinquish_COMPGEN=_oncrpc_compgen_users
_shtab_rpcsnoop_top__Z_COMPGEN=_oncrpc_compgen_users
_shtab_rpcsnoop_top___relinquish_COMPGEN=_oncrpc_compgen_users
_shtab_rpcsnoop_top___prog_COMPGEN=_shtab_cmd_compgen_a20bf5a8
_shtab_rpcsnoop_top___spec_COMPGEN=_shtab_glob_compgen_aabcd4ef
_shtab_rpcsnoop___prog_COMPGEN=_shtab_cmd_compgen_a20bf5a8
_shtab_rpcsnoop___spec_COMPGEN=_shtab_glob_compgen_aabcd4ef
_shtab_rpcsnoop__w_COMPGEN=_shtab_compgen_files
_shtab_rpcsnoop___write_COMPGEN=_shtab_compgen_files
_shtab_rpcsnoop__Z_COMPGEN=_oncrpc_compgen_users
_shtab_rpcsnoop___relinquish_COMPGEN=_oncrpc_compgen_users

_shtab_rpcsnoop_top___proc_choices=(NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT)
_shtab_rpcsnoop_top___follow_choices=(mount)
_shtab_rpcsnoop_pos_0_choices=(explain top)
_shtab_rpcsnoop___by_choices=(client server file)
_shtab_rpcsnoop___color_choices=(auto always never)
_shtab_rpcsnoop___proc_choices=(NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT)
_shtab_rpcsnoop___follow_choices=(mount)

_shtab_rpcsnoop_explain_pos_0_nargs='*'
_shtab_rpcsnoop_explain___json_nargs=0
_shtab_rpcsnoop_explain___promiscuous_nargs=0
_shtab_rpcsnoop_explain__h_nargs=0
_shtab_rpcsnoop_explain___help_nargs=0
_shtab_rpcsnoop_explain___version_nargs=0
_shtab_rpcsnoop_top___promiscuous_nargs=0
_shtab_rpcsnoop_top___json_nargs=0
_shtab_rpcsnoop_top___uid_nargs=0
_shtab_rpcsnoop_top__h_nargs=0
_shtab_rpcsnoop_top___help_nargs=0
_shtab_rpcsnoop_top___version_nargs=0
_shtab_rpcsnoop_pos_0_nargs=A...
_shtab_rpcsnoop__v_nargs=0
_shtab_rpcsnoop___tree_nargs=0
_shtab_rpcsnoop__V_nargs=0
_shtab_rpcsnoop___layers_nargs=0
_shtab_rpcsnoop___json_nargs=0
_shtab_rpcsnoop___stats_nargs=0
_shtab_rpcsnoop___names_nargs=0
_shtab_rpcsnoop__r_nargs=0
_shtab_rpcsnoop___addresses_nargs=0
_shtab_rpcsnoop___uid_nargs=0
_shtab_rpcsnoop___print_nargs=0
_shtab_rpcsnoop___promiscuous_nargs=0
_shtab_rpcsnoop__h_nargs=0
_shtab_rpcsnoop___help_nargs=0
_shtab_rpcsnoop___version_nargs=0


# Custom Preamble
_shtab_rpcsnoop_pos_0_COMPGEN=_shtab_compgen_files
_oncrpc_compgen_users() {
  compgen -u -- $1
}

# $1=COMP_WORDS[1]
_shtab_cmd_compgen_a20bf5a8() {
  compgen -W "$(sed -n 's/^\([a-z][^[:space:]]*\).*/\1/p' /etc/rpc 2>/dev/null)" -- $1
}

# $1=COMP_WORDS[1]
_shtab_glob_compgen_aabcd4ef() {
  for ext in '*.x'; do
    compgen -f -X "!$ext" -- $1
  done
  compgen -d -- $1  # recurse into subdirs
}

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
#     hello="world"
#     x="hello"
#     ${!x} -> ${hello} -> "world"
_shtab_rpcsnoop() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_rpcsnoop
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_rpcsnoop rpcsnoop
