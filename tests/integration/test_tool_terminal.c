/* The tool on a terminal: what it prints there is printable, it asks before it removes, and Ctrl-C ends it with a code of its own.
 * $CAIRN is the tool. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/lib/kept.h"
#include "tests/lib/rig.h"
#include "tests/lib/suite.h"
#include "tests/lib/tool_fixture.h"

enum { RUN_MS = TOOL_RUN_MS, OUTPUT_BYTES = 8192, WORDS_MAX = 20 };

/* A program on a terminal of its own. */
struct terminal {
    pid_t pid;
    int fd;
    char output[OUTPUT_BYTES]; /* of stdout and stderr, as the terminal got it */
    size_t bytes;
};

/* Starts the tool with these words, one blank between them. */
static void terminal_start(struct terminal *terminal, const struct rig *rig, const char *arguments)
{
    char *text = kept_format("%s -s %s %s", getenv("CAIRN"), rig->daemon.socket, arguments),
         *words[WORDS_MAX + 1];
    int count = 0;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        ck_assert_int_lt(count, WORDS_MAX);
        words[count++] = word;
    }
    words[count] = NULL;
    *terminal = (struct terminal){.fd = -1};
    fflush(NULL);
    terminal->pid = forkpty(&terminal->fd, NULL, NULL, NULL);
    if (terminal->pid == 0) {
        execv(words[0], words);
        _exit(99);
    }
    ck_assert_int_gt(terminal->pid, 0);
}

/* Reads until the text has come; an empty text: until the program has closed the terminal. */
static void terminal_await(struct terminal *terminal, const char *text)
{
    uint64_t end_ms = clock_ms() + (uint64_t)patience_ms(RUN_MS);
    while (text[0] == '\0' || strstr(terminal->output, text) == NULL) {
        struct pollfd wait = {.fd = terminal->fd, .events = POLLIN};
        ck_assert_msg(clock_ms() < end_ms, "no \"%s\" in: %s", text, terminal->output);
        (void)poll(&wait, 1, 100);
        if (wait.revents == 0) {
            continue;
        }
        ck_assert_uint_lt(terminal->bytes, OUTPUT_BYTES - 1);
        ssize_t got =
            read(terminal->fd, terminal->output + terminal->bytes, OUTPUT_BYTES - 1 - terminal->bytes);
        if (got <= 0) { /* EIO: nobody has it open any more */
            ck_assert_msg(text[0] == '\0', "no \"%s\" in: %s", text, terminal->output);
            return;
        }
        terminal->bytes += (size_t)got;
        terminal->output[terminal->bytes] = '\0';
    }
}

static void terminal_type(const struct terminal *terminal, const char *keys)
{
    ck_assert_int_eq(write(terminal->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* Its exit code, once it has ended. */
static int terminal_end(struct terminal *terminal)
{
    int status;
    terminal_await(terminal, "");
    ck_assert_int_eq(waitpid(terminal->pid, &status, 0), terminal->pid);
    close(terminal->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Types Ctrl-C until it has ended: before it has the terminal for its own nobody gets the key. */
static int terminal_interrupt(struct terminal *terminal)
{
    int status;
    uint64_t end_ms = clock_ms() + (uint64_t)patience_ms(RUN_MS);
    while (waitpid(terminal->pid, &status, WNOHANG) == 0) {
        ck_assert_uint_lt(clock_ms(), end_ms);
        ssize_t written = write(terminal->fd, "\x03", 1);
        (void)written; /* it may have ended just now */
        sleep_ms(20);
    }
    close(terminal->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool is_printable(const char *text)
{
    while (*text != '\0' &&
           ((*text >= 0x20 && *text <= 0x7e) || *text == '\r' || *text == '\n' || *text == '\t')) {
        text++;
    }
    return *text == '\0';
}

/* What the tool prints there. */
static char *shown(const struct rig *rig, const char *arguments, int expected)
{
    struct terminal terminal;
    terminal_start(&terminal, rig, arguments);
    int code = terminal_end(&terminal);
    ck_assert_msg(code == expected, "cairn %s: exit %d: %s", arguments, code, terminal.output);
    ck_assert_msg(is_printable(terminal.output), "cairn %s prints: %s", arguments, terminal.output);
    return kept_copy(terminal.output, terminal.bytes);
}

START_TEST(a_value_is_escaped_on_a_terminal_and_exact_in_a_pipe)
{
    struct rig rig = rig_start("");
    static const char name[] = "n\x1b[31m\xe2\x80\xae", value[] = "a\\b\x07\xe2\x80\xaf";
    ask_metadata(&rig.wire, metadata_new(operation_set(name, value)));
    ask_metadata(&rig.wire, metadata_new(operation_set("plain", "deadbeef")));
    const char *names = "6e1b5b33316de280ae --hex-names";
    ck_assert_str_eq(shown(&rig, kept_format("meta get %s", names), DONE), "a\\\\b\\x07\\xe2\\x80\\xaf\r\n");
    ck_assert_str_eq(shown(&rig, "meta get plain", DONE), "deadbeef\r\n");
    const char *tool = getenv("CAIRN");
    ck_assert_str_eq(shell_run(RUN_MS, "exec %s -s %s meta get %s", tool, rig.daemon.socket, names).output,
                     value);
    ck_assert_str_eq(shell_run(RUN_MS, "exec %s -s %s meta get plain", tool, rig.daemon.socket).output,
                     "deadbeef");
    ck_assert_str_eq(shown(&rig, "meta list", DONE),
                     "n\\x1b[31m\\xe2\\x80\\xae\ta\\\\b\\x07\\xe2\\x80\\xaf\r\nplain\tdeadbeef\r\n");
    ck_assert_ptr_nonnull(strstr(shown(&rig, "-o json meta list", DONE), "\"base64\""));
    rig_end(&rig);
}
END_TEST

START_TEST(errors_that_hold_what_was_typed_are_printable)
{
    struct rig rig = rig_start("");
    (void)shown(&rig, "meta get a\x1b]0;title\x07\xe2\x80\xae", 3);
    (void)shown(&rig, "meta get a\x1b]0;title\x07 b\xe2\x80\xae", 3);
    (void)shown(&rig, "-c ch\x1b[2Jain height", 9);
    (void)shown(&rig, "st\x1b[2Jatus", USAGE);
    (void)shown(&rig, "height --so\xe2\x80\xaeme", USAGE);
    (void)shown(&rig, "status \x1b[2J", 3);
    rig_end(&rig);
}
END_TEST

START_TEST(a_rollback_says_how_much_goes_and_takes_a_no)
{
    struct rig rig = rig_start("");
    struct terminal terminal;
    fill_blocks(&rig.wire, 1, 10);
    terminal_start(&terminal, &rig, "rollback --to 8");
    terminal_await(&terminal, "[y/N]");
    ck_assert_ptr_nonnull(strstr(terminal.output, "from height 10 to 8"));
    ck_assert_ptr_nonnull(strstr(terminal.output, "2 blocks"));
    ck_assert_ptr_nonnull(strstr(terminal.output, "chain default"));
    terminal_type(&terminal, "n\n");
    ck_assert_int_eq(terminal_end(&terminal), FAILED);
    ck_assert_uint_eq(get_height(&rig.wire), 10);
    terminal_start(&terminal, &rig, "rollback --to 8");
    terminal_await(&terminal, "[y/N]");
    terminal_type(&terminal, "y\n");
    ck_assert_int_eq(terminal_end(&terminal), DONE);
    ck_assert_uint_eq(get_height(&rig.wire), 8);
    rig_end(&rig);
}
END_TEST

START_TEST(a_prune_says_how_far_and_how_many_and_an_end_of_input_is_a_no)
{
    struct rig rig = rig_start("");
    struct terminal terminal;
    fill_blocks(&rig.wire, 1, 10);
    terminal_start(&terminal, &rig, "prune --blocks 4");
    terminal_await(&terminal, "[y/N]");
    ck_assert_ptr_nonnull(strstr(terminal.output, "blocks up to 4"));
    ck_assert_ptr_nonnull(strstr(terminal.output, "height 10"));
    ck_assert_ptr_nonnull(strstr(terminal.output, "drop 4 blocks, 0 states and 0 metadata"));
    terminal_type(&terminal, "\x04");
    ck_assert_int_eq(terminal_end(&terminal), FAILED);
    ck_assert(block_is(&rig.wire, 1, "header 1"));
    rig_end(&rig);
}
END_TEST

START_TEST(a_drop_names_the_chain_its_height_and_how_much_goes)
{
    struct rig rig = rig_start("");
    struct terminal terminal;
    fill_blocks(&rig.wire, 1, 10);
    const char *answers[] = {"n\n", "y\n"};
    for (int i = 0; i < 2; i++) {
        terminal_start(&terminal, &rig, "chains drop default");
        terminal_await(&terminal, "[y/N]");
        ck_assert_ptr_nonnull(strstr(terminal.output, "at height 10"));
        ck_assert_ptr_nonnull(strstr(terminal.output, "10 blocks"));
        ck_assert_ptr_nonnull(strstr(terminal.output, "chain default"));
        terminal_type(&terminal, answers[i]);
        ck_assert_int_eq(terminal_end(&terminal), i == 0 ? FAILED : DONE);
        ck_assert_uint_eq(get_height(&rig.wire), i == 0 ? 10 : 0);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(a_delete_of_many_names_says_how_many)
{
    struct rig rig = rig_start("");
    struct terminal terminal;
    ask_metadata(&rig.wire, metadata_new(operation_set("a", "1")));
    terminal_start(&terminal, &rig, "meta del a b c");
    terminal_await(&terminal, "[y/N]");
    ck_assert_ptr_nonnull(strstr(terminal.output, "Delete 3 names"));
    terminal_type(&terminal, "\n");
    ck_assert_int_eq(terminal_end(&terminal), FAILED);
    ck_assert(metadata_is(&rig.wire, "a", "1"));
    (void)shown(&rig, "meta del a b c --yes", DONE);
    ck_assert(metadata_is(&rig.wire, "a", NULL));
    rig_end(&rig);
}
END_TEST

/* The tool may get the key before it is there: the terminal is its own a moment before it is executed. */
START_TEST(ctrl_c_in_a_test_s_child_meets_the_child_alone)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGINT);
        _exit(99);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}
END_TEST

START_TEST(ctrl_c_has_an_exit_code_of_its_own_at_a_question_and_before_an_answer)
{
    struct rig rig = rig_start("");
    struct terminal terminal;
    fill_blocks(&rig.wire, 1, 3);
    terminal_start(&terminal, &rig, "rollback --to 2");
    terminal_await(&terminal, "[y/N]");
    ck_assert_int_eq(terminal_interrupt(&terminal), INTERRUPTED);
    ck_assert_uint_eq(get_height(&rig.wire), 3);
    daemon_signal(&rig.daemon, SIGSTOP);
    terminal_start(&terminal, &rig, "height");
    ck_assert_int_eq(terminal_interrupt(&terminal), INTERRUPTED);
    daemon_signal(&rig.daemon, SIGCONT);
    ck_assert_uint_eq(get_height(&rig.wire), 3);
    rig_end(&rig);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("tool_terminal", 150, &tests);
    tcase_add_test(tests, a_value_is_escaped_on_a_terminal_and_exact_in_a_pipe);
    tcase_add_test(tests, errors_that_hold_what_was_typed_are_printable);
    tcase_add_test(tests, a_rollback_says_how_much_goes_and_takes_a_no);
    tcase_add_test(tests, a_prune_says_how_far_and_how_many_and_an_end_of_input_is_a_no);
    tcase_add_test(tests, a_drop_names_the_chain_its_height_and_how_much_goes);
    tcase_add_test(tests, a_delete_of_many_names_says_how_many);
    tcase_add_test(tests, ctrl_c_in_a_test_s_child_meets_the_child_alone);
    tcase_add_test(tests, ctrl_c_has_an_exit_code_of_its_own_at_a_question_and_before_an_answer);
    return suite_run(suite, false);
}
