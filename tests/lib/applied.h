/* A store with apply in front of it and a queue beside it, driven as the writer thread drives them. One a process, as
 * every test has one of its own; chains 1 and 2 are there, and there may be a third. */
#ifndef TESTS_LIB_APPLIED_H
#define TESTS_LIB_APPLIED_H

#include "daemon/lanes/job.h"
#include "daemon/schema/key.h"

enum { APPLIED_CHAINS = 2 };

void applied_open(void);
void applied_close(void);
/* As a restart: what only memory knew is gone. The queue has to be empty. */
void applied_restart(void);

/* The bytes of a string, without its NUL; those of a number, until the test ends. */
struct slice applied_text(const char *string);
struct slice applied_number(uint64_t number);

/* From here on jobs are judged into one batch, which is written by the second call. */
void applied_begin_batch(void);
void applied_write_batch(void);

/* Numbers the job, applies it, and writes it unless it is refused. It carries what applied_carry took. */
enum status applied_job(struct job *job);
/* What a dry run of the prune or rollback says: its counts, or its failure. */
enum status applied_preview(struct job *job);
/* Applies on chain 1; has to go well. */
void applied_commit(struct job_commit commit);
void applied_block(uint64_t height, const char *hash, const char *data);
void applied_state(uint64_t height);
void applied_rise(uint64_t height);
void applied_prune(uint64_t blocks_through);
/* Heights 1 to 10 with blocks "h1" to "h10", states, and metadata "m1" to "m10" bound to them. */
void applied_ten(void);
struct job applied_rollback_to(uint64_t to);
void applied_assert_rolled_back(const struct job *job, uint64_t blocks, uint64_t states, uint64_t metadata,
                                uint64_t lowered);
/* Claims the chain, under an epoch with those random bits; has to go well. */
struct epoch applied_claim(uint32_t chain, uint64_t random);
/* One slice; says whether all is swept. */
bool applied_sweep(void);

/* Operations as a test writes them. */
struct metadata_operation applied_set(const char *name, struct slice value, uint64_t of_height);
struct metadata_operation applied_delete(const char *name);
struct metadata_operation applied_raise(const char *name, uint64_t number);

/* Queues an operation. */
void applied_queue(uint32_t chain, struct metadata_operation operation);
/* Closes the group and hands all to the writer: the number for a job's carry_through. */
uint64_t applied_carry(void);
/* Writes all that is queued, group by group. */
void applied_groups(void);
/* How many operations are queued. */
uint64_t applied_queued(void);

/* ---- what is on disk ---- */

/* NULL expected: not there. */
void applied_assert_header(uint32_t chain, uint64_t height, const char *hash);
void applied_assert_data(uint32_t chain, uint64_t height, const char *data);
bool applied_has(uint32_t chain, enum key_kind kind, uint64_t height);
/* The height a hash leads to, 0 for none. */
uint64_t applied_height_of(uint32_t chain, const char *hash);
/* The name's record whatever is pruned; false if there is none. The value lives until the next call of this kind. */
bool applied_metadata(uint32_t chain, const char *name, struct slice *ret_value, uint64_t *ret_of_height);
/* The same, and that its binding can be found. */
void applied_assert_metadata(uint32_t chain, const char *name, struct slice value, uint64_t of_height);
void applied_assert_no_metadata(uint32_t chain, const char *name);
struct chain_marks applied_marks(uint32_t chain);
uint64_t applied_metadata_on_disk(void);
/* The chain's last claim, whose name lives until the next call of this kind, and one of its epochs; false if there is none. */
bool applied_last_claim(uint32_t chain, struct claim_record *ret_claim);
bool applied_epoch(uint32_t chain, uint64_t sequence, struct epoch_record *ret_epoch);
/* Keys of that kind. */
size_t applied_count(uint32_t chain, enum key_kind kind);
/* Of all keys and values. */
uint64_t applied_digest(void);

/* ---- damage ---- */

/* Puts a record past apply that cannot be read; its key is filled up to so many bytes, 0: as it is. */
void applied_put_bad(struct key key, size_t bytes);
/* The job on chain 1 has to fail over what cannot be understood, with this in its text. */
void applied_assert_damaged(struct job *job, const char *text);
/* The same of what a start loads. */
void applied_assert_load_damaged(const char *text);

#endif
