#compdef borgpull
# Completion of borgpull in zsh: source <(borgpull completion zsh), or as the file _borgpull in a folder of $fpath
_borgpull() {
    local line
    local -a lines described
    lines=("${(@f)$(command "$words[1]" completion words -- "${(@)words[1,CURRENT]}" 2>/dev/null </dev/null)}")
    case $lines[1] in
    :files) _files ;;
    :directories) _files -/ ;;
    *)
        for line in "${(@)lines[2,-1]}"; do
            described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        done
        _describe -V borgpull described
        ;;
    esac
}
if [[ $funcstack[1] == _borgpull ]]; then _borgpull "$@"; else compdef _borgpull borgpull; fi
