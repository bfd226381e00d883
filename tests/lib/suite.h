/* What every test program shares: running its suite, and how patient it is. */
#ifndef TESTS_LIB_SUITE_H
#define TESTS_LIB_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/* A suite of one case; each test takes less than that many seconds, and may take a few times as long, more under a sanitizer. */
Suite *suite_new(const char *name, double timeout_seconds, TCase **ret_case);
/* Runs and frees it; what main returns. */
int suite_run(Suite *suite, bool fast_directories);

bool under_sanitizer(void);
/* A time within which something comes, made so long that it comes on any machine: for limits, never for what is to take time. */
int patience_ms(int milliseconds);
uint64_t clock_ms(void);
/* How many points of a sweep were tried: scripts/soak-fault.sh adds them up. */
void tell_points(uint64_t points);
void sleep_ms(unsigned milliseconds);

#endif
