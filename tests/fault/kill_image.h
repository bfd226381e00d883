/* What a daemon shows of a chain. */
#ifndef TESTS_FAULT_KILL_IMAGE_H
#define TESTS_FAULT_KILL_IMAGE_H

#include "tests/fault/kill_journal.h"
#include "tests/lib/wire.h"

/* False: something is there that no journal has, and the complaint says what. */
bool image_read(struct wire *wire, const char *name, struct image *ret_image,
                struct complaint_text *ret_complaint);

#endif
