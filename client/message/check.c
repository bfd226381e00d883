/* The rules of cairn.h for what a caller passes in, in one place: the encoders rely on them. A request is checked field by field;
 * the first rule that is broken is the one that is named. */
#include "client/message/check.h"

#include "proto/limits.h"

enum { METADATA_PARTS_ALL = CAIRN_VALUE | CAIRN_BINDING | CAIRN_SIZE | CAIRN_PRESENCE };

static const char reserved_text[] = "`reserved` is not zero: zero the struct before its fields are set; a "
                                    "field of a later version needs that "
                                    "version of the library";
static const char entry_reserved_text[] =
    "`reserved` of an entry is not zero: zero each entry before its fields are set";

bool reserved_is_zero(const uint64_t *words, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all |= words[i];
    }
    return all == 0;
}

/* The first rule that a request broke. */
struct verdict {
    enum cairn_status status; /* CAIRN_OK: none yet */
    const char *why;
};

static void refuse(struct verdict *verdict, bool breaks, enum cairn_status status, const char *why)
{
    if (breaks && verdict->status == CAIRN_OK) {
        *verdict = (struct verdict){.status = status, .why = why};
    }
}

static enum cairn_status verdict_say(const struct verdict *verdict, const char **ret_why)
{
    if (verdict->status != CAIRN_OK) {
        *ret_why = verdict->why;
    }
    return verdict->status;
}

static void check_reserved(struct verdict *verdict, bool is_zero)
{
    refuse(verdict, !is_zero, CAIRN_USAGE, reserved_text);
}
static void check_slice(struct verdict *verdict, struct cairn_slice slice)
{
    refuse(verdict, slice.data == NULL && slice.bytes > 0, CAIRN_USAGE,
           "a slice has no data, but a length above 0");
    refuse(verdict, slice.bytes > FRAME_BYTES_MAX, CAIRN_TOO_LARGE,
           "a slice is longer than any frame may be");
}

/* An array's pointer and count. Each entry takes bytes of the frame, so that no count can be above those. False: its entries are not
 * to be looked at. */
static bool check_array(struct verdict *verdict, const void *array, size_t count, size_t count_max,
                        const char *missing)
{
    refuse(verdict, array == NULL && count > 0, CAIRN_USAGE, missing);
    refuse(verdict, count > count_max, CAIRN_TOO_LARGE, "it has too many items: split it");
    return verdict->status == CAIRN_OK;
}

static void check_level(struct verdict *verdict, enum cairn_level level)
{
    refuse(verdict, (unsigned)level > CAIRN_DURABLE, CAIRN_USAGE, "`level` is not of enum cairn_level");
}

static void check_parts(struct verdict *verdict, unsigned parts)
{
    refuse(verdict, parts > CAIRN_ALL_PARTS, CAIRN_USAGE, "`parts` has bits that are not of enum cairn_part");
}

static void check_metadata_parts(struct verdict *verdict, unsigned parts)
{
    refuse(verdict, parts > METADATA_PARTS_ALL, CAIRN_USAGE,
           "`parts` has bits that are not of enum cairn_metadata_part");
}

/* The highest kind is allowed in a commit alone. */
static void check_operations(struct verdict *verdict, const struct cairn_operation *operations, size_t count,
                             enum cairn_operation_kind kind_max, const char *missing)
{
    bool look = check_array(verdict, operations, count, FRAME_BYTES_MAX, missing);
    for (size_t i = 0; look && i < count; i++) {
        const struct cairn_operation *each = &operations[i];
        refuse(verdict, each->kind < CAIRN_SET || each->kind > CAIRN_DELETE_RANGE, CAIRN_USAGE,
               "an operation's `kind` is not of enum cairn_operation_kind");
        refuse(verdict, each->kind > kind_max, CAIRN_USAGE, "CAIRN_DELETE_RANGE goes only into a commit");
        check_slice(verdict, each->name);
        if (each->kind == CAIRN_SET) {
            check_slice(verdict, each->value);
        } else if (each->kind == CAIRN_DELETE_RANGE) {
            check_slice(verdict, each->to);
        }
        refuse(verdict, !RESERVED_IS_ZERO(each), CAIRN_USAGE, entry_reserved_text);
    }
}

static void check_blocks(struct verdict *verdict, const struct cairn_block *blocks, size_t count)
{
    bool look =
        check_array(verdict, blocks, count, FRAME_BYTES_MAX, "`blocks` is NULL, `block_count` is not 0");
    for (size_t i = 0; look && i < count; i++) {
        check_slice(verdict, blocks[i].header);
        check_slice(verdict, blocks[i].data);
        check_slice(verdict, blocks[i].signature);
        check_slice(verdict, blocks[i].hash);
        refuse(verdict, !RESERVED_IS_ZERO(&blocks[i]), CAIRN_USAGE, entry_reserved_text);
    }
}

static void check_states(struct verdict *verdict, const struct cairn_commit_request *request)
{
    bool look = check_array(verdict, request->states, request->state_count, FRAME_BYTES_MAX,
                            "`states` is NULL, `state_count` is not 0");
    for (size_t i = 0; look && i < request->state_count; i++) {
        check_slice(verdict, request->states[i].value);
        refuse(verdict, !RESERVED_IS_ZERO(&request->states[i]), CAIRN_USAGE, entry_reserved_text);
    }
    (void)check_array(verdict, request->delete_states, request->delete_state_count, FRAME_BYTES_MAX,
                      "`delete_states` is NULL, `delete_state_count` is not 0");
}

static void check_guards(struct verdict *verdict, const struct cairn_guard *guards, size_t count)
{
    bool look =
        check_array(verdict, guards, count, FRAME_BYTES_MAX, "`guards` is NULL, `guard_count` is not 0");
    for (size_t i = 0; look && i < count; i++) {
        check_slice(verdict, guards[i].name);
        refuse(verdict, guards[i].pass_malformed > 1, CAIRN_USAGE, "`pass_malformed` is neither 0 nor 1");
        refuse(verdict, !RESERVED_IS_ZERO(&guards[i]), CAIRN_USAGE, entry_reserved_text);
    }
}

enum cairn_status check_ping(const struct cairn_ping_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));

    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_status_page(const struct cairn_status_page_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));

    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_chains(const struct cairn_chains_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));

    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_create_chain(const struct cairn_create_chain_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_drain(const struct cairn_drain_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));

    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_drop_chain(const struct cairn_drop_chain_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_claim(const struct cairn_claim_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_slice(&verdict, request->writer_name);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_release(const struct cairn_release_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_read_usage(const struct cairn_read_usage_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_read_height(const struct cairn_read_height_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_barrier(const struct cairn_barrier_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_level(&verdict, request->level);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_read_block(const struct cairn_read_block_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_slice(&verdict, request->hash);
    check_parts(&verdict, request->parts);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_read_blocks(const struct cairn_read_blocks_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_parts(&verdict, request->parts);
    (void)check_array(&verdict, request->heights, request->height_count, READ_ITEMS_MAX,
                      "`heights` is NULL, `height_count` is not 0");
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_read_state(const struct cairn_read_state_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_get(const struct cairn_get_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_slice(&verdict, request->name);
    check_metadata_parts(&verdict, request->parts);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_get_many(const struct cairn_get_many_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    bool look = check_array(&verdict, request->names, request->name_count, READ_ITEMS_MAX,
                            "`names` is NULL, `name_count` is not 0");
    for (size_t i = 0; look && i < request->name_count; i++) {
        check_slice(&verdict, request->names[i]);
    }
    check_metadata_parts(&verdict, request->parts);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_list(const struct cairn_list_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_slice(&verdict, request->prefix);
    check_slice(&verdict, request->start);
    check_slice(&verdict, request->end);
    check_metadata_parts(&verdict, request->parts);
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_write_metadata(const struct cairn_write_metadata_request *request,
                                       const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_level(&verdict, request->level);
    check_operations(&verdict, request->operations, request->operation_count, CAIRN_RAISE,
                     "`operations` is NULL, `operation_count` is not 0");
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_commit(const struct cairn_commit_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_level(&verdict, request->level);
    check_blocks(&verdict, request->blocks, request->block_count);
    check_states(&verdict, request);
    (void)check_array(&verdict, request->delete_blocks, request->delete_block_count, FRAME_BYTES_MAX,
                      "`delete_blocks` is NULL, `delete_block_count` is not 0");
    check_operations(&verdict, request->metadata, request->metadata_count, CAIRN_DELETE_RANGE,
                     "`metadata` is NULL, `metadata_count` is not 0");
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_prune(const struct cairn_prune_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_level(&verdict, request->level);
    check_operations(&verdict, request->metadata, request->metadata_count, CAIRN_RAISE,
                     "`metadata` is NULL, `metadata_count` is not 0");
    return verdict_say(&verdict, ret_why);
}

enum cairn_status check_rollback(const struct cairn_rollback_request *request, const char **ret_why)
{
    struct verdict verdict = {.status = CAIRN_OK};
    check_reserved(&verdict, RESERVED_IS_ZERO(request));
    check_slice(&verdict, request->chain);
    check_level(&verdict, request->level);
    check_guards(&verdict, request->guards, request->guard_count);
    check_operations(&verdict, request->metadata, request->metadata_count, CAIRN_RAISE,
                     "`metadata` is NULL, `metadata_count` is not 0");
    return verdict_say(&verdict, ret_why);
}
