/* What a test has the shell do. */
#ifndef TESTS_LIB_SHELL_H
#define TESTS_LIB_SHELL_H

/* Runs a command line to its end. The test fails unless that exits with 0. What it prints is in the test's own output. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
