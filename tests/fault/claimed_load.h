/* A chain of a fleet's daemon that one of two clients of libcairn has claimed: it commits and rolls back, the other takes over at times, and
 * a third one reads, while the daemon dies under them. Life:
 *
 * - claimed_begin makes the chain; claimed_pump sends and receives what can be.
 * - When the daemon has ended and is there again claimed_come_back has all that was asked answered, and reads what is there: then the
 *   history is whole.
 * - claimed_next begins the next one where that ended. */
#ifndef TESTS_FAULT_CLAIMED_LOAD_H
#define TESTS_FAULT_CLAIMED_LOAD_H

#include "client/cairn.h"
#include "tests/fault/claimed_history.h"
#include "tests/lib/random.h"

enum { CLAIMED_WRITERS = 2 };

struct claimed_client {
    struct claimed_load *load;
    struct cairn_client *library;
    struct cairn_connection *connection;
    unsigned in_flight;
};

struct claimed_load {
    struct claimed_history history;
    struct claimed_state sent; /* all that was asked, applied */
    struct random_source random;
    struct claimed_client writers[CLAIMED_WRITERS], reader;
    unsigned holder; /* of the writers */
    bool takes_over; /* the other one's claim is under way */
    bool has_ended;  /* one was refused: the next are asked once all are answered */
    uint64_t tick;
    uint64_t written, repeated, refused, taken_over, read; /* for the report */
};

#define CLAIMED_CHAIN "zclaimed" /* behind the fleet's in byte order */

void claimed_begin(struct claimed_load *load, const char *socket, uint64_t seed);
void claimed_close(struct claimed_load *load);
void claimed_pump(struct claimed_load *load);
void claimed_come_back(struct claimed_load *load);
void claimed_next(struct claimed_load *load);

#endif
