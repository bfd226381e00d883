/* Each script hands over the words of the command line, and takes the line ":files PREFIX" for the shell's own completion of file names, of
 * what stands behind the prefix. For
 * cairnd it takes the options out of `cairnd --help`, which are made from its own table. */
#include "client/tool/verbs/completion_scripts.h"

#include <stddef.h>
#include <string.h>

static const char bash[] =
    "# bash completion for cairn and cairnd: source <(cairn completion bash)\n"
    "_cairn_files()\n"
    "{\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
    "}\n"
    "# bash ends words at = and :, and replaces only what stands behind: they are joined again for cairn, "
    "and cut off its answers.\n"
    "_cairn()\n"
    "{\n"
    "    local cairn=${COMP_WORDS[0]/#\\~/$HOME} current=${COMP_WORDS[COMP_CWORD]} words=() joins='' word\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD}\"; do\n"
    "        if [[ ${#words[@]} -gt 0 && ($word == [:=]* || -n $joins) ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        joins=\n"
    "        [[ $word == *[:=] ]] && joins=yes\n"
    "    done\n"
    "    [[ $current == [:=] ]] && current=\n"
    "    word=${words[-1]-}\n"
    "    mapfile -t COMPREPLY < <(\"$cairn\" completion bash -- \"${words[@]}\" 2>/dev/null)\n"
    "    if [[ ${COMPREPLY[0]-} == ':files '* ]]; then\n"
    "        local prefix=${COMPREPLY[0]#:files }\n"
    "        _cairn_files \"${word#\"$prefix\"}\"\n"
    "        COMPREPLY=(\"${COMPREPLY[@]/#/$prefix}\")\n"
    "    fi\n"
    "    COMPREPLY=(\"${COMPREPLY[@]#\"${word%\"$current\"}\"}\")\n"
    "}\n"
    "_cairnd()\n"
    "{\n"
    "    local cairnd=${COMP_WORDS[0]/#\\~/$HOME} word=${COMP_WORDS[COMP_CWORD]} options\n"
    "    if [[ $word == -* ]]; then\n"
    "        options=$(\"$cairnd\" --help 2>/dev/null | grep -oE -e '--[a-z][a-z-]*' | sort -u)\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
    "    else\n"
    "        _cairn_files \"$word\"\n"
    "    fi\n"
    "}\n"
    "complete -F _cairn cairn\n"
    "complete -F _cairnd cairnd\n";

static const char zsh[] =
    "#compdef cairn cairnd\n"
    "# zsh completion for cairn and cairnd: source <(cairn completion zsh)\n"
    "_cairn()\n"
    "{\n"
    "    local -a found\n"
    "    found=(\"${(@f)$(\"${words[1]}\" completion zsh -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "    if [[ ${found[1]} == ':files '* ]]; then\n"
    "        local prefix=${found[1]#:files }\n"
    "        [[ -n $prefix ]] && compset -P ${(b)prefix}\n"
    "        _files\n"
    "    elif [[ -n ${found[1]} ]]; then\n"
    "        _describe cairn found\n"
    "    fi\n"
    "}\n"
    "_cairnd()\n"
    "{\n"
    "    if [[ ${words[CURRENT]} == -* ]]; then\n"
    "        compadd -- ${(f)\"$(\"${words[1]}\" --help 2>/dev/null | grep -oE -e '--[a-z][a-z-]*' | sort "
    "-u)\"}\n"
    "    else\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "if [[ ${funcstack[1]} == _cairn ]]; then\n"
    "    if [[ $service == cairnd ]]; then _cairnd; else _cairn; fi\n"
    "else\n"
    "    compdef _cairn cairn\n"
    "    compdef _cairnd cairnd\n"
    "fi\n";

static const char fish[] =
    "# fish completion for cairn and cairnd: cairn completion fish | source\n"
    "function __cairn_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    set -l cairn $words[1]\n"
    "    set -e words[1]\n"
    "    set -l found (command $cairn completion fish -- $words \"$current\" 2>/dev/null)\n"
    "    if string match -q ':files *' -- \"$found[1]\"\n"
    "        set -l prefix (string sub -s 8 -- \"$found[1]\")\n"
    "        set -l file (string sub -s (math (string length -- \"$prefix\") + 1) -- \"$current\")\n"
    "        printf \"$prefix%s\\n\" (__fish_complete_path \"$file\")\n"
    "    else\n"
    "        printf '%s\\n' $found\n"
    "    end\n"
    "end\n"
    "function __cairnd_options\n"
    "    cairnd --help 2>/dev/null | grep -oE -e '--[a-z][a-z-]*' | sort -u\n"
    "end\n"
    "complete -c cairn -f -a '(__cairn_complete)'\n"
    "complete -c cairnd -a '(__cairnd_options)'\n";

const char *completion_script(const char *shell)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (strcmp(shell, scripts[i].shell) == 0) {
            return scripts[i].script;
        }
    }
    return NULL;
}
