/* The numbers of a store that lies on a fake disk: a real file, in a directory of its own, that outlives kills and cuts, as it is
 * synced with each write. */
#ifndef TESTS_LIB_NUMBERS_FIXTURE_H
#define TESTS_LIB_NUMBERS_FIXTURE_H

#include "daemon/host/numbers.h"
#include "tests/lib/directory.h"

struct numbers_fixture {
    struct directory home;
    int directory_fd;
    struct numbers numbers;
};

/* Makes the file as a new store has it, or from `numbers` unless that is NULL, and opens it. */
void numbers_fixture_open(struct numbers_fixture *fixture, const struct numbers *numbers);
/* Opens it once more, as a start does: what it holds is read anew. */
void numbers_fixture_reopen(struct numbers_fixture *fixture);
void numbers_fixture_close(struct numbers_fixture *fixture);

#endif
