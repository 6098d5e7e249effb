# Completion of borgpull in bash: source <(borgpull completion bash)
_borgpull() {
    local line word
    local -a lines
    mapfile -t lines < <(command "$1" completion words -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null </dev/null)
    COMPREPLY=()
    case ${lines[0]-} in
    :files) compopt -o default ;;
    :directories) compopt -o dirnames ;;
    *)
        for line in "${lines[@]:1}"; do
            printf -v word %q "${line%%$'\t'*}"
            COMPREPLY+=("$word")
        done
        ;;
    esac
}
complete -F _borgpull borgpull
