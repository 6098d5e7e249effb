# Completion of borgpull in fish: borgpull completion fish | source
function __borgpull_words
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l lines (command $words[1] completion words -- $words "$last" 2>/dev/null </dev/null)
    switch "$lines[1]"
        case :files
            set lines : (__fish_complete_path "$last")
        case :directories
            set lines : (__fish_complete_directories "$last")
    end
    set -e lines[1]
    for line in $lines
        echo $line
    end
end
complete -c borgpull -k -f -a '(__borgpull_words)'
