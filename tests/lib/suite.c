#include "tests/lib/suite.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/lib/directory.h"
#include "tests/lib/kept.h"

/* A limit is met by what hangs, and must not be met by a machine that is ten times as slow, or stands for seconds. */
enum { PATIENCE = 4, SANITIZER_PATIENCE = 12 };

static bool is_set(const char *name)
{
    const char *set = getenv(name);
    return set != NULL && *set != '\0' && *set != '0';
}

bool under_sanitizer(void)
{
    return is_set("CAIRN_SANITIZER");
}

/* CAIRN_SLOW: in the build that counts lines and branches, which is not optimised. */
static int patience(void)
{
    return under_sanitizer() || is_set("CAIRN_SLOW") ? SANITIZER_PATIENCE : PATIENCE;
}

int patience_ms(int milliseconds)
{
    return milliseconds * patience();
}

uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void tell_points(uint64_t points)
{
    printf("points %" PRIu64 "\n", points);
    fflush(stdout);
}

void sleep_ms(unsigned milliseconds)
{
    struct timespec pause = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* What a test forks gets the runner's handlers until it calls exec, and Check's kill the group of the test when these signals come. */
static void default_signals(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

Suite *suite_new(const char *name, double timeout_seconds, TCase **ret_case)
{
    Suite *suite = suite_create(name);
    *ret_case = tcase_create(name);
    tcase_set_timeout(*ret_case, timeout_seconds * patience());
    tcase_add_checked_fixture(*ret_case, default_signals, NULL);
    suite_add_tcase(suite, *ret_case);
    return suite;
}

int suite_run(Suite *suite, bool fast_directories)
{
    directory_root_make(fast_directories);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed > 0) {
        directory_root_tell();
    }
    directory_root_remove();
    kept_clear();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
