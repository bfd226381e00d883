/* Claims in a line each, as tests/lib/messages.h has the other requests. A chain of NULL is the default one. */
#ifndef TESTS_LIB_CLAIMS_H
#define TESTS_LIB_CLAIMS_H

#include "tests/lib/messages.h"

struct claimed {
    enum status status;
    const char *text;
    unsigned reason;
    uint64_t sequence;
    Cairn__Level level;
    Cairn__Epoch epoch;   /* if it was granted */
    uint64_t last_number; /* of Present, also refused; UINT64_MAX: none */
};

uint64_t send_claim(struct wire *wire, const char *chain, const char *writer, bool take_over);
struct claimed claimed_reply(struct wire *wire, uint64_t id);
struct claimed ask_claim(struct wire *wire, const char *chain, const char *writer);
struct claimed take_over(struct wire *wire, const char *chain, const char *writer);
/* Has to be granted. */
Cairn__Epoch claim_ok(struct wire *wire, const char *chain, const char *writer);

uint64_t send_present(struct wire *wire, const char *chain, const Cairn__Epoch *epoch, bool for_numbers);
struct claimed presented_reply(struct wire *wire, uint64_t id);
struct claimed ask_present(struct wire *wire, const char *chain, const Cairn__Epoch *epoch, bool for_numbers);
/* The connection ends with the epoch. */
struct claimed ask_present_until_ended(struct wire *wire, const char *chain, const Cairn__Epoch *epoch);

struct written ask_release(struct wire *wire, const char *chain, bool any);

/* The commit with that number, to that chain. */
Cairn__Commit *numbered(Cairn__Commit *commit, const char *chain, uint64_t number);
Cairn__Commit *commit_to(Cairn__Commit *commit, const char *chain);

#endif
