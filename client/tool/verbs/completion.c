/* Completion for bash, made from the table of verbs. The script finds the verb that was typed, then offers what may follow: the
 * choices of the option before the cursor, the options of the verb, or further words. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "client/tool/verb.h"
#include "client/tool/verbs/verbs.h"

static const char script_start[] =
    "# bash completion for cairn\n"
    "_cairn()\n"
    "{\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local verb='' words='' options='' value=1 i\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n";

static const char script_words[] = "        -*) ;;\n"
                                   "        *) verb+=\"${verb:+ }${COMP_WORDS[i]}\" ;;\n"
                                   "        esac\n"
                                   "    done\n"
                                   "    case $before in\n";

static const char script_verbs[] = "    *) value=0 ;;\n"
                                   "    esac\n"
                                   "    if ((value == 0)); then\n"
                                   "        case $verb in\n";

static const char script_end[] = "        esac\n"
                                 "        [[ $word == -* ]] && words=$options\n"
                                 "    fi\n"
                                 "    if [[ $words == FILE ]]; then\n"
                                 "        compopt -o filenames 2>/dev/null\n"
                                 "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                                 "    else\n"
                                 "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                                 "    fi\n"
                                 "}\n"
                                 "complete -F _cairn cairn\n";

/* Prints the general options that take a value, as one pattern: the word behind such an option is not a verb. */
static void print_skips(void)
{
    const char *between = "        ";
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        if (option->argument != NULL) {
            printf("%s-%c|--%s", between, option->letter, option->name);
            between = "|";
        }
    }
    puts(") ((i++)) ;;");
}

static bool has_option(const struct tool_option *options, const char *name)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (strcmp(options->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Prints what may follow an option that takes a value. Options of one name have the same choices in all verbs. */
static void print_choices(const struct tool_option *options, const struct tool_verb *verbs,
                          const struct tool_verb *end)
{
    for (; options != NULL && options->name != NULL; options++) {
        bool before = false;
        assert(verbs <= end); /* it looks at the verbs above */
        for (const struct tool_verb *verb = verbs; verb < end; verb++) {
            before |= has_option(verb->options, options->name);
        }
        if (options->argument == NULL || before) {
            continue;
        }
        printf("    --%s", options->name);
        if (options->letter != 0) {
            printf("|-%c", options->letter);
        }
        printf(") words='%s' ;;\n", options->choices != NULL ? options->choices : "");
    }
}

static void print_option_words(const struct tool_verb *verb)
{
    fputs(" options='", stdout);
    for (const struct tool_option *option = verb != NULL ? verb->options : NULL;
         option != NULL && option->name != NULL; option++) {
        printf("--%s ", option->name);
    }
    for (const struct tool_option *option = verb_general_options; option->name != NULL; option++) {
        if (verb == NULL || verb_takes(verb, option)) {
            printf("--%s%s", option->name, option[1].name != NULL ? " " : "' ;;\n");
        }
    }
}

static size_t first_word(const struct tool_verb *verb)
{
    return strcspn(verb->name, " ");
}

static bool same_first_word(const struct tool_verb *a, const struct tool_verb *b)
{
    return first_word(a) == first_word(b) && strncmp(a->name, b->name, first_word(a)) == 0;
}

/* Whether no verb above it in the table starts with the same word. */
static bool is_first(const struct tool_verb *verbs, const struct tool_verb *verb)
{
    for (const struct tool_verb *other = verbs; other < verb; other++) {
        if (same_first_word(other, verb)) {
            return false;
        }
    }
    return true;
}

/* Prints what may follow a complete verb, whatever arguments stand behind it. */
static void print_verb(const struct tool_verb *verbs, const struct tool_verb *verb, bool two_words)
{
    if ((strchr(verb->name, ' ') != NULL) != two_words) {
        return;
    }
    printf("        '%s'|'%s '*) words='", verb->name, verb->name);
    for (const struct tool_verb *other = verbs; !two_words && other->name != NULL; other++) {
        if (same_first_word(verb, other) && other != verb) {
            printf("%s ", other->name + first_word(other) + 1);
        }
    }
    printf("%s'", verb->choices != NULL ? verb->choices : "");
    print_option_words(verb);
}

/* Prints what may follow a first word that is not a verb by itself. */
static void print_group(const struct tool_verb *verbs, const struct tool_verb *verb)
{
    if (!is_first(verbs, verb) || strchr(verb->name, ' ') == NULL) {
        return;
    }
    printf("        '%.*s') words='", (int)first_word(verb), verb->name);
    for (const struct tool_verb *other = verb; other->name != NULL; other++) {
        if (same_first_word(verb, other)) {
            printf("%s ", other->name + first_word(other) + 1);
        }
    }
    fputs("'", stdout);
    print_option_words(NULL);
}

enum tool_exit verb_completion(struct tool *tool)
{
    const struct tool_verb *verbs = tool->verbs;
    assert(tool->argument_count == 1); /* so says the table */
    if (strcmp(tool->arguments[0], "bash") != 0) {
        return tool_fail(TOOL_USAGE, "completion is there for bash, not for \"%s\"", tool->arguments[0]);
    }
    fputs(script_start, stdout);
    print_skips();
    fputs(script_words, stdout);
    print_choices(verb_general_options, verbs, verbs);
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        print_choices(verb->options, verbs, verb);
    }
    fputs(script_verbs, stdout);
    fputs("        '') words='", stdout);
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        if (is_first(verbs, verb)) {
            printf("%.*s ", (int)first_word(verb), verb->name);
        }
    }
    fputs("'", stdout);
    print_option_words(NULL);
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        print_verb(verbs, verb, true);
    }
    for (const struct tool_verb *verb = verbs; verb->name != NULL; verb++) {
        print_verb(verbs, verb, false);
        print_group(verbs, verb);
    }
    fputs(script_end, stdout);
    return TOOL_OK;
}
