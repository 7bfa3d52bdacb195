# Made by packaging/completion.py with shtab (https://github.com/tqdm/shtab); do not edit.

_shtab_nfs_subparsers=(ls cat stat df find tree mkdir rm mv cp ln chmod touch ping bench mount umount)

_shtab_nfs_ls_option_strings=(-a --all -d --directory -F --classify -h --human-readable -l --long -n --numeric-uid-gid -r --reverse -R --recursive -S --sort-size -t --sort-time -U --unsorted -1 --one-per-line -0 --zero --json --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_cat_option_strings=(--nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_stat_option_strings=(-L --dereference --json --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_df_option_strings=(-h --human-readable -i --inodes --json --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_find_option_strings=(--name --iname --path --type --size --mtime --mmin --newer --mindepth --maxdepth --print0 --json --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_tree_option_strings=(-a --all -d --directories -L --level --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_mkdir_option_strings=(-p --parents -m --mode --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_rm_option_strings=(-r --recursive -d --dir -f --force -v --verbose --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_mv_option_strings=(-n --no-clobber -v --verbose --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_cp_option_strings=(-r --recursive -p --preserve -n --no-clobber --resume -T --no-target-directory -j --jobs -q --quiet -v --verbose --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_ln_option_strings=(-s --symbolic --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_chmod_option_strings=(--nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_touch_option_strings=(-c --no-create --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_ping_option_strings=(-c --count -i --interval --json --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_bench_option_strings=(-s --size -t --seconds --json --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_mount_option_strings=(-o --options -f --foreground --nfs-version --uid --gid --timeout --help -V --version)
_shtab_nfs_umount_option_strings=(-l --lazy --help -V --version)
_shtab_nfs_option_strings=(--help -V --version)

_shtab_nfs_find___newer_COMPGEN=_shtab_compgen_files
_shtab_nfs_cp_pos_0_COMPGEN=_shtab_compgen_files

_shtab_nfs_pos_0_choices=(ls cat stat df find tree mkdir rm mv cp ln chmod touch ping bench mount umount)

_shtab_nfs_ls__a_nargs=0
_shtab_nfs_ls___all_nargs=0
_shtab_nfs_ls__d_nargs=0
_shtab_nfs_ls___directory_nargs=0
_shtab_nfs_ls__F_nargs=0
_shtab_nfs_ls___classify_nargs=0
_shtab_nfs_ls__h_nargs=0
_shtab_nfs_ls___human_readable_nargs=0
_shtab_nfs_ls__l_nargs=0
_shtab_nfs_ls___long_nargs=0
_shtab_nfs_ls__n_nargs=0
_shtab_nfs_ls___numeric_uid_gid_nargs=0
_shtab_nfs_ls__r_nargs=0
_shtab_nfs_ls___reverse_nargs=0
_shtab_nfs_ls__R_nargs=0
_shtab_nfs_ls___recursive_nargs=0
_shtab_nfs_ls__S_nargs=0
_shtab_nfs_ls___sort_size_nargs=0
_shtab_nfs_ls__t_nargs=0
_shtab_nfs_ls___sort_time_nargs=0
_shtab_nfs_ls__U_nargs=0
_shtab_nfs_ls___unsorted_nargs=0
_shtab_nfs_ls__1_nargs=0
_shtab_nfs_ls___one_per_line_nargs=0
_shtab_nfs_ls__0_nargs=0
_shtab_nfs_ls___zero_nargs=0
_shtab_nfs_ls___json_nargs=0
_shtab_nfs_ls___help_nargs=0
_shtab_nfs_ls__V_nargs=0
_shtab_nfs_ls___version_nargs=0
_shtab_nfs_cat___help_nargs=0
_shtab_nfs_cat__V_nargs=0
_shtab_nfs_cat___version_nargs=0
_shtab_nfs_stat__L_nargs=0
_shtab_nfs_stat___dereference_nargs=0
_shtab_nfs_stat___json_nargs=0
_shtab_nfs_stat___help_nargs=0
_shtab_nfs_stat__V_nargs=0
_shtab_nfs_stat___version_nargs=0
_shtab_nfs_df__h_nargs=0
_shtab_nfs_df___human_readable_nargs=0
_shtab_nfs_df__i_nargs=0
_shtab_nfs_df___inodes_nargs=0
_shtab_nfs_df___json_nargs=0
_shtab_nfs_df___help_nargs=0
_shtab_nfs_df__V_nargs=0
_shtab_nfs_df___version_nargs=0
_shtab_nfs_find___print0_nargs=0
_shtab_nfs_find___json_nargs=0
_shtab_nfs_find___help_nargs=0
_shtab_nfs_find__V_nargs=0
_shtab_nfs_find___version_nargs=0
_shtab_nfs_tree__a_nargs=0
_shtab_nfs_tree___all_nargs=0
_shtab_nfs_tree__d_nargs=0
_shtab_nfs_tree___directories_nargs=0
_shtab_nfs_tree___help_nargs=0
_shtab_nfs_tree__V_nargs=0
_shtab_nfs_tree___version_nargs=0
_shtab_nfs_mkdir__p_nargs=0
_shtab_nfs_mkdir___parents_nargs=0
_shtab_nfs_mkdir___help_nargs=0
_shtab_nfs_mkdir__V_nargs=0
_shtab_nfs_mkdir___version_nargs=0
_shtab_nfs_rm__r_nargs=0
_shtab_nfs_rm___recursive_nargs=0
_shtab_nfs_rm__d_nargs=0
_shtab_nfs_rm___dir_nargs=0
_shtab_nfs_rm__f_nargs=0
_shtab_nfs_rm___force_nargs=0
_shtab_nfs_rm__v_nargs=0
_shtab_nfs_rm___verbose_nargs=0
_shtab_nfs_rm___help_nargs=0
_shtab_nfs_rm__V_nargs=0
_shtab_nfs_rm___version_nargs=0
_shtab_nfs_mv__n_nargs=0
_shtab_nfs_mv___no_clobber_nargs=0
_shtab_nfs_mv__v_nargs=0
_shtab_nfs_mv___verbose_nargs=0
_shtab_nfs_mv___help_nargs=0
_shtab_nfs_mv__V_nargs=0
_shtab_nfs_mv___version_nargs=0
_shtab_nfs_cp_pos_0_nargs='*'
_shtab_nfs_cp__r_nargs=0
_shtab_nfs_cp___recursive_nargs=0
_shtab_nfs_cp__p_nargs=0
_shtab_nfs_cp___preserve_nargs=0
_shtab_nfs_cp__n_nargs=0
_shtab_nfs_cp___no_clobber_nargs=0
_shtab_nfs_cp___resume_nargs=0
_shtab_nfs_cp__T_nargs=0
_shtab_nfs_cp___no_target_directory_nargs=0
_shtab_nfs_cp__q_nargs=0
_shtab_nfs_cp___quiet_nargs=0
_shtab_nfs_cp__v_nargs=0
_shtab_nfs_cp___verbose_nargs=0
_shtab_nfs_cp___help_nargs=0
_shtab_nfs_cp__V_nargs=0
_shtab_nfs_cp___version_nargs=0
_shtab_nfs_ln__s_nargs=0
_shtab_nfs_ln___symbolic_nargs=0
_shtab_nfs_ln___help_nargs=0
_shtab_nfs_ln__V_nargs=0
_shtab_nfs_ln___version_nargs=0
_shtab_nfs_chmod___help_nargs=0
_shtab_nfs_chmod__V_nargs=0
_shtab_nfs_chmod___version_nargs=0
_shtab_nfs_touch__c_nargs=0
_shtab_nfs_touch___no_create_nargs=0
_shtab_nfs_touch___help_nargs=0
_shtab_nfs_touch__V_nargs=0
_shtab_nfs_touch___version_nargs=0
_shtab_nfs_ping___json_nargs=0
_shtab_nfs_ping___help_nargs=0
_shtab_nfs_ping__V_nargs=0
_shtab_nfs_ping___version_nargs=0
_shtab_nfs_bench___json_nargs=0
_shtab_nfs_bench___help_nargs=0
_shtab_nfs_bench__V_nargs=0
_shtab_nfs_bench___version_nargs=0
_shtab_nfs_mount__f_nargs=0
_shtab_nfs_mount___foreground_nargs=0
_shtab_nfs_mount___help_nargs=0
_shtab_nfs_mount__V_nargs=0
_shtab_nfs_mount___version_nargs=0
_shtab_nfs_umount__l_nargs=0
_shtab_nfs_umount___lazy_nargs=0
_shtab_nfs_umount___help_nargs=0
_shtab_nfs_umount__V_nargs=0
_shtab_nfs_umount___version_nargs=0
_shtab_nfs_pos_0_nargs=A...
_shtab_nfs___help_nargs=0
_shtab_nfs__V_nargs=0
_shtab_nfs___version_nargs=0


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
_shtab_nfs() {
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

  local prefix=_shtab_nfs
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

complete -o bashdefault -F _shtab_nfs nfs
