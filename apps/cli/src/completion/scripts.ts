/** Asks `unfold __complete` for candidates, one a line: the value, a tab, what it is. Without any, files are offered. */
export const scripts = {
  bash: `# Completion of unfold for bash: eval "$(unfold completion bash)"
_unfold() {
  local IFS=$'\\n'
  COMPREPLY=($(unfold __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _unfold unfold`,
  zsh: `#compdef unfold
# Completion of unfold for zsh: eval "$(unfold completion zsh)"
_unfold() {
  local line
  local -a candidates
  for line in "\${(@f)$(unfold __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#candidates} )); then _describe unfold candidates; else _files; fi
}
compdef _unfold unfold`,
};
