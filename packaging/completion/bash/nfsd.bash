# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.

_shtab_nfsd_subparsers=(config explain exports locks reload service status top trace)

_shtab_nfsd_config_option_strings=(-d --debug -f --foreground -p --port -h --bind -l --loopback --no-loopback -4 --ipv4 -6 --ipv6 -u --user --state-dir --state --no-state --pid-file -v --verbose --no-verbose --log-format --mount-port --nlm-port --status-port --rquota-port --only --nfs-versions --port-mapper --local-users --no-local-users --peer-uid --no-peer-uid --workers --to --backend --overlay --web --exports --config --json -V --version --help)
_shtab_nfsd_explain_option_strings=(--json --exports --state-dir -p --port --config -V --version --help)
_shtab_nfsd_exports_option_strings=(-s --json --exports --state-dir -p --port --config -V --version --help)
_shtab_nfsd_locks_option_strings=(--free --yes --json --state-dir -p --port --config -V --version --help)
_shtab_nfsd_reload_option_strings=(--exec --pid-file --state-dir -p --port --config -V --version --help)
_shtab_nfsd_service_option_strings=(--root --init --program -V --version --help)
_shtab_nfsd_status_option_strings=(--json --state-dir -p --port --config -V --version --help)
_shtab_nfsd_top_option_strings=(--interval --json --state-dir -p --port --config -V --version --help)
_shtab_nfsd_trace_option_strings=(-v --tree --json --stats --by -t --time --names -r --addresses --color --prog --proc --host --status --uid --file --follow --spec -c --count -s --snaplen --state-dir -p --port --config -V --version --help)
_shtab_nfsd_option_strings=(-d --debug -f --foreground -p --port -h --bind -l --loopback --no-loopback -4 --ipv4 -6 --ipv6 -u --user --state-dir --state --no-state --pid-file -v --verbose --no-verbose --log-format --mount-port --nlm-port --status-port --rquota-port --only --nfs-versions --port-mapper --local-users --no-local-users --peer-uid --no-peer-uid --workers --to --backend --overlay --web --exports --config -V --version --help)

_shtab_nfsd_config_pos_1_COMPGEN=_shtab_compgen_files
_shtab_nfsd_config__u_COMPGEN=_oncrpc_compgen_users
_shtab_nfsd_config___user_COMPGEN=_oncrpc_compgen_users
_shtab_nfsd_config___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_config___pid_file_COMPGEN=_shtab_compgen_files
_shtab_nfsd_config___exports_COMPGEN=_shtab_compgen_files
_shtab_nfsd_config___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_explain_pos_0_COMPGEN=_oncrpc_compgen_hosts
_shtab_nfsd_explain_pos_1_COMPGEN=_shtab_compgen_files
_shtab_nfsd_explain___exports_COMPGEN=_shtab_compgen_files
_shtab_nfsd_explain___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_explain___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_exports___exports_COMPGEN=_shtab_compgen_files
_shtab_nfsd_exports___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_exports___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_locks___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_locks___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_reload___pid_file_COMPGEN=_shtab_compgen_files
_shtab_nfsd_reload___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_reload___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_service___root_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_service___program_COMPGEN=_shtab_compgen_files
_shtab_nfsd_status___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_status___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_top___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_top___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd_trace___prog_COMPGEN=_shtab_cmd_compgen_a20bf5a8
_shtab_nfsd_trace___spec_COMPGEN=_shtab_glob_compgen_aabcd4ef
_shtab_nfsd_trace___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd_trace___config_COMPGEN=_shtab_compgen_files
_shtab_nfsd__u_COMPGEN=_oncrpc_compgen_users
_shtab_nfsd___user_COMPGEN=_oncrpc_compgen_users
_shtab_nfsd___state_dir_COMPGEN=_shtab_compgen_dirs
_shtab_nfsd___pid_file_COMPGEN=_shtab_compgen_files
_shtab_nfsd___exports_COMPGEN=_shtab_compgen_files
_shtab_nfsd___config_COMPGEN=_shtab_compgen_files

_shtab_nfsd_config_pos_0_choices=(check show)
_shtab_nfsd_config___log_format_choices=(text json)
_shtab_nfsd_exports_pos_0_choices=(list check reload)
_shtab_nfsd_service_pos_0_choices=(install uninstall start stop restart condrestart reload status)
_shtab_nfsd_service___init_choices=(systemd sysv)
_shtab_nfsd_trace___by_choices=(client server file)
_shtab_nfsd_trace___color_choices=(auto always never)
_shtab_nfsd_trace___proc_choices=(NULL SET UNSET GETPORT DUMP CALLIT GETADDR GETTIME UADDR2TADDR TADDR2UADDR BCAST GETVERSADDR INDIRECT GETADDRLIST GETSTAT)
_shtab_nfsd_trace___follow_choices=(mount)
_shtab_nfsd_pos_0_choices=(config explain exports locks reload service status top trace)
_shtab_nfsd___log_format_choices=(text json)

_shtab_nfsd_config__d_nargs=0
_shtab_nfsd_config___debug_nargs=0
_shtab_nfsd_config__f_nargs=0
_shtab_nfsd_config___foreground_nargs=0
_shtab_nfsd_config__l_nargs=0
_shtab_nfsd_config___loopback_nargs=0
_shtab_nfsd_config___no_loopback_nargs=0
_shtab_nfsd_config__4_nargs=0
_shtab_nfsd_config___ipv4_nargs=0
_shtab_nfsd_config__6_nargs=0
_shtab_nfsd_config___ipv6_nargs=0
_shtab_nfsd_config___state_nargs=0
_shtab_nfsd_config___no_state_nargs=0
_shtab_nfsd_config__v_nargs=0
_shtab_nfsd_config___verbose_nargs=0
_shtab_nfsd_config___no_verbose_nargs=0
_shtab_nfsd_config___local_users_nargs=0
_shtab_nfsd_config___no_local_users_nargs=0
_shtab_nfsd_config___peer_uid_nargs=0
_shtab_nfsd_config___no_peer_uid_nargs=0
_shtab_nfsd_config___json_nargs=0
_shtab_nfsd_config__V_nargs=0
_shtab_nfsd_config___version_nargs=0
_shtab_nfsd_config___help_nargs=0
_shtab_nfsd_explain___json_nargs=0
_shtab_nfsd_explain__V_nargs=0
_shtab_nfsd_explain___version_nargs=0
_shtab_nfsd_explain___help_nargs=0
_shtab_nfsd_exports__s_nargs=0
_shtab_nfsd_exports___json_nargs=0
_shtab_nfsd_exports__V_nargs=0
_shtab_nfsd_exports___version_nargs=0
_shtab_nfsd_exports___help_nargs=0
_shtab_nfsd_locks___yes_nargs=0
_shtab_nfsd_locks___json_nargs=0
_shtab_nfsd_locks__V_nargs=0
_shtab_nfsd_locks___version_nargs=0
_shtab_nfsd_locks___help_nargs=0
_shtab_nfsd_reload___exec_nargs=0
_shtab_nfsd_reload__V_nargs=0
_shtab_nfsd_reload___version_nargs=0
_shtab_nfsd_reload___help_nargs=0
_shtab_nfsd_service__V_nargs=0
_shtab_nfsd_service___version_nargs=0
_shtab_nfsd_service___help_nargs=0
_shtab_nfsd_status___json_nargs=0
_shtab_nfsd_status__V_nargs=0
_shtab_nfsd_status___version_nargs=0
_shtab_nfsd_status___help_nargs=0
_shtab_nfsd_top___json_nargs=0
_shtab_nfsd_top__V_nargs=0
_shtab_nfsd_top___version_nargs=0
_shtab_nfsd_top___help_nargs=0
_shtab_nfsd_trace__v_nargs=0
_shtab_nfsd_trace___tree_nargs=0
_shtab_nfsd_trace___json_nargs=0
_shtab_nfsd_trace___stats_nargs=0
_shtab_nfsd_trace___names_nargs=0
_shtab_nfsd_trace__r_nargs=0
_shtab_nfsd_trace___addresses_nargs=0
_shtab_nfsd_trace___uid_nargs='?'
_shtab_nfsd_trace__V_nargs=0
_shtab_nfsd_trace___version_nargs=0
_shtab_nfsd_trace___help_nargs=0
_shtab_nfsd_pos_0_nargs=A...
_shtab_nfsd__d_nargs=0
_shtab_nfsd___debug_nargs=0
_shtab_nfsd__f_nargs=0
_shtab_nfsd___foreground_nargs=0
_shtab_nfsd__l_nargs=0
_shtab_nfsd___loopback_nargs=0
_shtab_nfsd___no_loopback_nargs=0
_shtab_nfsd__4_nargs=0
_shtab_nfsd___ipv4_nargs=0
_shtab_nfsd__6_nargs=0
_shtab_nfsd___ipv6_nargs=0
_shtab_nfsd___state_nargs=0
_shtab_nfsd___no_state_nargs=0
_shtab_nfsd__v_nargs=0
_shtab_nfsd___verbose_nargs=0
_shtab_nfsd___no_verbose_nargs=0
_shtab_nfsd___local_users_nargs=0
_shtab_nfsd___no_local_users_nargs=0
_shtab_nfsd___peer_uid_nargs=0
_shtab_nfsd___no_peer_uid_nargs=0
_shtab_nfsd__V_nargs=0
_shtab_nfsd___version_nargs=0
_shtab_nfsd___help_nargs=0


# Custom Preamble
_shtab_nfsd_pos_0_COMPGEN=_shtab_compgen_dirs
_oncrpc_compgen_users() {
  compgen -u -- $1
}
_oncrpc_compgen_hosts() {
  compgen -A hostname -- $1
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
_shtab_nfsd() {
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

  local prefix=_shtab_nfsd
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

complete -o bashdefault -F _shtab_nfsd nfsd
