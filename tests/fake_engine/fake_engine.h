/* An engine for tests: an ordered map in memory, on a disk that fails, waits and loses when the test says so.
 *
 * It keeps engine.h's promises to the letter and no better, and asserts its callers' duties: points, values and cursors
 * are gone by close; a list of edits has one for each key, and comes in no order that counts; one thread writes at a time,
 * and none after the first ENGINE_UNKNOWN; a cursor is used by one thread at a time, and what it lent is not read after its
 * next use (the memory is freed then, for AddressSanitizer to see). */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "daemon/engine/engine.h"
#include "tests/fake_engine/fake_disk.h"

/* Opens the disk of that path (fake_disk_new). Where there is none but a directory of that name, it makes one from
 * seed 0, which lasts until the process ends. */
extern const struct engine_type engine_fake;

#endif
