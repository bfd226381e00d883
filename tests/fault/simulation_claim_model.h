/* Contract 12 as a model of one chain: who may write to it, and which numbers are repeated. Pure: it is told the requests of a round, what
 * was answered and when, and says whether that fits.
 *
 * - What was carried out took effect in the order of its sequence numbers, whatever it was: claims, presents, releases and writes.
 * - What was refused must have been refusable at some place in that order, between its session's other requests.
 * - Behind a crash, what was not answered may be there or not, anywhere between its session's answered requests; an answer that promised
 *   `durable` holds. Which it is a dump of the chain says.
 *
 * Time decides only who may claim, so it is known as a span: when the last holder left, at the earliest and at the latest. */
#ifndef TESTS_FAULT_SIMULATION_CLAIM_MODEL_H
#define TESTS_FAULT_SIMULATION_CLAIM_MODEL_H

#include "proto/status.h"
#include "tests/lib/model_round.h"

enum {
    CLAIMANTS = 3,
    CLAIM_HEIGHTS = 40,
    CLAIM_EPOCHS_MAX = 4096, /* of a run */
    CLAIM_KEPT = 4,          /* epochs whose numbers are looked at: the chain's last ones */
    CLAIM_PAST_MAX = 64,
    CLAIM_CALLS_MAX = 12, /* of a round */
};

#define CLAIM_GRACE_US UINT64_C(5000000)

enum claim_kind {
    CLAIM_CLAIM,
    CLAIM_PRESENT,
    CLAIM_RELEASE,
    CLAIM_METADATA,
    CLAIM_COMMIT,
    CLAIM_ROLLBACK,
    CLAIM_PRUNE,
    CLAIM_DROP, /* and the next: nothing else is in flight */
    CLAIM_CREATE,
};

struct claim_call {
    enum claim_kind kind;
    int session;
    int epoch;          /* of a claim and a present: its place among the run's */
    bool is_asked;      /* to take over; for numbers; any claim's release */
    bool ends;          /* of a present: its connection is to end with the epoch */
    uint64_t resend_of; /* of metadata; 0: it is new */
    uint32_t level;     /* that a numbered kind of write asks for; of the others 0: they are durable */
    uint64_t number;
    uint64_t height;                                     /* of the block, or to prune or roll back to */
    uint64_t expected;                                   /* the height as condition; UINT64_MAX: none */
    uint32_t id;                                         /* stands in the block */
    uint64_t sent_at, answered_at, sent_us, answered_us; /* by a count of events, and by the clock */
    bool is_answered;                                    /* and known: not `io error` */
    bool is_excused;                                     /* a fault explains the refusal */
    enum status status;
    unsigned reason;
    uint64_t sequence, last_number; /* UINT64_MAX: no number was told */
    bool is_repeated;
};

struct claim_epoch {
    uint64_t sequence, random; /* 0: nobody was told */
    bool is_foreign;           /* its chain was dropped, or is another copy of this one */
};

struct claim_state {
    bool is_there, stands;
    uint64_t height, pruned;
    uint32_t blocks[CLAIM_HEIGHTS + 1]; /* 0: none */
    int last;                           /* epoch; NO_EPOCH */
    struct {
        int epoch;
        uint64_t last_number;
    } kept[CLAIM_KEPT]; /* the last one first; the chain's own */
    int presented[CLAIMANTS];
    bool ends[CLAIMANTS];     /* with the epoch that it presented */
    bool is_ended[CLAIMANTS]; /* by the daemon, since the round began */
    int numbers_from;         /* a session; NO_SESSION */
    uint32_t holder_uid;
    uint64_t left_least_us, left_most_us;
    /* Metadata of before is not taken again: the last claim or release; rollback, drop or making of the chain. CLAIM_UNKNOWN: nobody was told. */
    uint64_t claimed, cut;
};

#define CLAIM_UNKNOWN UINT64_MAX

enum { CLAIM_LEVEL_WRITTEN = 2 }; /* of the levels */
enum { NO_EPOCH = -1, NO_SESSION = -1 };

struct claim_round {
    struct claim_call calls[CLAIM_CALLS_MAX]; /* in the order sent */
    size_t n;
};

/* What a dump of the chain said. */
struct claim_dump {
    bool is_there;
    uint64_t height, pruned, claim_sequence; /* 0: not claimed */
    uint32_t claim_uid;
    uint32_t blocks[CLAIM_HEIGHTS + 1];
    struct claim_call presents[CLAIM_KEPT + CLAIM_CALLS_MAX];
    size_t present_count;
};

struct claim_model {
    struct claim_state now;
    struct {
        struct claim_state before; /* the write of that sequence number */
        uint64_t sequence;
    } past[CLAIM_PAST_MAX]; /* what a power cut may bring back, by rising numbers */
    size_t past_count;
    struct claim_epoch epochs[CLAIM_EPOCHS_MAX];
    int epoch_count;
};

uint32_t claimant_uid(int session);
bool claimant_is_admin(int session);

void claim_model_begin(struct claim_model *model);
/* Of two copies of a chain `model` is the one that was written to, and from here on it is the other one. The epochs that were made meanwhile
 * are none of the other's. Nothing is in flight. */
void claim_models_swap(struct claim_model *model, struct claim_model *other);
/* Whether the call may be carried out in that state, at that time; and what it does then. */
bool claim_may_be_ok(const struct claim_state *state, const struct claim_call *call);
void claim_apply(struct claim_state *state, const struct claim_call *call);

/* All calls are answered and fit; then the model has them. False: the complaint says which does not. */
bool claim_round_check(struct claim_model *model, const struct claim_round *round,
                       struct complaint *complaint);
/* All sessions are gone, and of what was answered below `durable` that up to that number is kept; the dump, of a session that is new, says which of the states that are allowed it is. */
bool claim_round_crashed(struct claim_model *model, const struct claim_round *round,
                         const struct claim_dump *dump, uint64_t kept_through, struct complaint *complaint);
/* A session that has nothing in flight closed. */
void claim_session_closed(struct claim_state *state, int session, uint64_t now_us);
void claim_all_closed(struct claim_state *state, uint64_t least_us, uint64_t most_us);
/* Whether that is what metadata of an earlier run is answered, which is sent again alone. */
bool claim_resend_fits(const struct claim_state *state, const struct claim_call *call);
bool claim_is_under_last(const struct claim_state *state, int session);

/* ---- simulation_claim_model.c to simulation_claim_crash.c ---- */

/* Whether that answer may have come from that state. */
bool claim_fits(const struct claim_model *model, const struct claim_state *state,
                const struct claim_call *call);
/* The calls that were carried out, by number. */
size_t claim_carried_out(const struct claim_round *round, const struct claim_call **ret_calls);
void claim_note_drop(struct claim_model *model, const struct claim_state *before);
/* Of the last epoch. */
uint64_t claim_last_number(const struct claim_state *state);

#endif
