# complete.bash COMPLETIONS TOOL WORD: what bash offers for "TOOL WORD".
set -u # not -e: completions may end with a failed test
compopt() { :; } # is for interactive shells
source "$1"
COMP_WORDS=("$2" "$3")
COMP_CWORD=1
"_$2"
echo "${COMPREPLY[*]}"
