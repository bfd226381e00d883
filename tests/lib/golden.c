#include "tests/lib/golden.h"

#define BASE(type)  .base = PROTOBUF_C_MESSAGE_INIT(&cairn__##type##__descriptor)
#define TEXT(text)  {sizeof(text) - 1, (uint8_t *)(text)}
#define SET(field)  .has_##field = 1, .field
#define LIST(field) .n_##field = sizeof(field##_list) / sizeof(field##_list[0]), .field = field##_list

/* ---- connection ---- */

#define STORE_ID "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"

static const Cairn__Hello hello = {
    BASE(hello),
    SET(version_min) = 1,
    SET(version_max) = 1,
    SET(client_name) = TEXT("example"),
};
static const Cairn__HelloReply hello_reply = {
    BASE(hello_reply),
    SET(version) = 1,
    SET(daemon_version) = TEXT("0.1.0"),
    SET(store_id) = TEXT(STORE_ID),
    SET(run) = 7,
    SET(metadata_on_disk) = 0,
    SET(frame_bytes_max) = 64 << 20,
    SET(value_bytes_max) = 16 << 20,
    SET(window_bytes_max) = 4 << 20,
    SET(run_random) = 0x1122334455667788,
};
static const Cairn__Hello hello_resume = {
    BASE(hello),
    SET(version_min) = 1,
    SET(version_max) = 1,
    SET(resume_run) = 7,
    SET(resume_random) = 0x1122334455667788,
};
static const Cairn__HelloReply hello_resume_reply = {
    BASE(hello_reply),
    SET(version) = 1,
    SET(store_id) = TEXT(STORE_ID),
    SET(run) = 8,
    SET(metadata_on_disk) = 1004,
    SET(run_random) = 0x0123456789abcdef,
};
static const Cairn__HelloReply hello_changed_reply = {
    BASE(hello_reply),      SET(version) = 1,          SET(store_id) = TEXT(STORE_ID),
    SET(run) = 7,           SET(metadata_on_disk) = 0, SET(run_random) = 0x0123456789abcdef,
    SET(store_changed) = 1,
};
static const Cairn__Ping ping = {BASE(ping)};
static const Cairn__PingReply ping_reply = {BASE(ping_reply)};

static const Cairn__Status status_page = {BASE(status)};
static Cairn__StatusEntry status_run = {
    BASE(status_entry),
    SET(name) = TEXT("run"),
    .value_case = CAIRN__STATUS_ENTRY__VALUE_NUMBER,
    .number = 7,
};
static Cairn__StatusEntry status_version = {
    BASE(status_entry),
    SET(name) = TEXT("version"),
    .value_case = CAIRN__STATUS_ENTRY__VALUE_TEXT,
    .text = TEXT("0.1.0"),
};
static Cairn__StatusEntry *entries_list[] = {&status_run, &status_version};
static const Cairn__StatusReply status_reply = {BASE(status_reply), LIST(entries)};

/* ---- chains ---- */

static const Cairn__Chains chains = {BASE(chains)};
static Cairn__ChainEntry chain_aux = {BASE(chain_entry), SET(name) = TEXT("aux"), SET(height) = 0};
static Cairn__ChainEntry chain_default = {
    BASE(chain_entry),
    SET(name) = TEXT("default"),
    SET(height) = 9,
    SET(blocks_pruned_through) = 1,
};
static Cairn__ChainEntry *chains_list[] = {&chain_aux, &chain_default};
static const Cairn__ChainsReply chains_reply = {BASE(chains_reply), LIST(chains)};

static const Cairn__CreateChain create_chain = {BASE(create_chain), SET(chain) = TEXT("aux")};
static const Cairn__WriteReply create_chain_reply = {
    BASE(write_reply),
    SET(sequence) = 1001,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
    SET(created) = 1,
};

static const Cairn__DropChain drop_chain = {BASE(drop_chain), SET(chain) = TEXT("aux")};
static const Cairn__WriteReply drop_chain_reply = {
    BASE(write_reply),
    SET(sequence) = 1007,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
};

static const Cairn__Drain drain = {BASE(drain)};
static const Cairn__DrainReply drain_reply = {BASE(drain_reply), SET(operations) = 0, SET(connections) = 1};

/* ---- claims ---- */

#define EPOCH_RANDOM 0x1122334455667788

static Cairn__Epoch claimed_epoch = {BASE(epoch), SET(sequence) = 1011, SET(random) = EPOCH_RANDOM};
static const Cairn__Claim claim = {
    BASE(claim),
    SET(chain) = TEXT("aux"),
    SET(writer_name) = TEXT("node-a"),
};
static const Cairn__ClaimReply claim_reply = {
    BASE(claim_reply),
    SET(sequence) = 1011,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
    .epoch = &claimed_epoch,
};
static const Cairn__Present present = {
    BASE(present),
    SET(chain) = TEXT("aux"),
    .epoch = &claimed_epoch,
    SET(for_numbers) = 1,
};
static const Cairn__PresentReply present_reply = {
    BASE(present_reply),
    SET(sequence) = 1014,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
    SET(last_number) = 1,
};
static const Cairn__Error present_conflict = {
    BASE(error),
    SET(text) = TEXT("claimed by \"node-b\""),
    SET(reason) = CAIRN__CONFLICT_REASON__REASON_CLAIMED,
};
static const Cairn__Release release = {BASE(release), SET(chain) = TEXT("aux")};
static const Cairn__WriteReply release_reply = {
    BASE(write_reply),
    SET(sequence) = 1015,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
};
static Cairn__Block numbered_block = {BASE(block), SET(height) = 1, SET(header) = TEXT("h1")};
static Cairn__Block *numbered_list[] = {&numbered_block};
static const Cairn__Commit commit_numbered = {
    BASE(commit),     SET(chain) = TEXT("aux"), .n_blocks = 1, .blocks = numbered_list,
    SET(rise_to) = 1, SET(number) = 1,
};
static const Cairn__WriteReply numbered_reply = {
    BASE(write_reply),
    SET(sequence) = 1012,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
};
static const Cairn__WriteReply repeated_reply = {
    BASE(write_reply),
    SET(sequence) = 1013,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
    SET(repeated) = 1,
};

/* ---- commits ---- */

static Cairn__Block block = {
    BASE(block),
    SET(height) = 1,
    SET(header) = TEXT("h1"),
    SET(data) = TEXT("data"),
    SET(signature) = TEXT("sig"),
};
static Cairn__State state = {BASE(state), SET(height) = 1, SET(value) = TEXT("s1")};
static Cairn__MetadataOperation raise_to_1 = {
    BASE(metadata_operation),
    SET(name) = TEXT("included"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE,
    .raise = 1,
};
static Cairn__Block *blocks_list[] = {&block};
static Cairn__State *states_list[] = {&state};
static Cairn__MetadataOperation *commit_metadata[] = {&raise_to_1};
static const Cairn__Commit commit = {
    BASE(commit), LIST(blocks), LIST(states), SET(rise_to) = 1, .n_metadata = 1, .metadata = commit_metadata,
};
static const Cairn__WriteReply commit_reply = {
    BASE(write_reply),
    SET(sequence) = 1002,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
};
static const Cairn__Commit commit_conditional = {
    BASE(commit), SET(chain) = TEXT("aux"), SET(carry) = 1, SET(expected_height) = 5, SET(rise_to) = 2,
};
static Cairn__NameRange peers = {BASE(name_range), SET(from) = TEXT("peer"), SET(to) = TEXT("peers")};
static Cairn__MetadataOperation delete_peers = {
    BASE(metadata_operation),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE_RANGE,
    .delete_range = &peers,
};
static Cairn__MetadataOperation *deletes_metadata[] = {&delete_peers};
static uint64_t delete_blocks_list[] = {3, 4};
static const Cairn__Commit commit_deletes = {
    BASE(commit),        SET(expected_height) = 5, .n_metadata = 1, .metadata = deletes_metadata,
    LIST(delete_blocks),
};
static const Cairn__Error commit_deletes_conflict = {
    BASE(error),
    SET(text) = TEXT("the height is 1, not 5"),
    SET(reason) = CAIRN__CONFLICT_REASON__REASON_HEIGHT,
};
static const Cairn__Error commit_conflict = {
    BASE(error),
    SET(text) = TEXT("the height is 0, not 5"),
    SET(reason) = CAIRN__CONFLICT_REASON__REASON_HEIGHT,
};
static const Cairn__Error sync_failed = {BASE(error), SET(text) = TEXT("sync failed")};

/* ---- queued metadata ---- */

static Cairn__MetadataOperation set_peer = {
    BASE(metadata_operation),
    SET(name) = TEXT("peer"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE,
    .value = TEXT("10.0.0.1"),
};
static Cairn__MetadataOperation *write_operations[] = {&set_peer};
static const Cairn__WriteMetadata write_metadata = {
    BASE(write_metadata),
    .n_operations = 1,
    .operations = write_operations,
};
static const Cairn__WriteReply write_metadata_reply = {
    BASE(write_reply),
    SET(sequence) = 1004,
    SET(level) = CAIRN__LEVEL__LEVEL_ACCEPTED,
};
static Cairn__MetadataOperation raise_to_9 = {
    BASE(metadata_operation),
    SET(name) = TEXT("included"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE,
    .raise = 9,
};
static Cairn__MetadataOperation delete_peer = {
    BASE(metadata_operation),
    SET(name) = TEXT("peer"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_DELETE,
    .delete_ = 1,
};
static Cairn__MetadataOperation set_seen = {
    BASE(metadata_operation),
    SET(name) = TEXT("seen"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE,
    SET(of_height) = 1,
};
static Cairn__MetadataOperation *batch_operations[] = {&raise_to_9, &delete_peer, &set_seen};
static const Cairn__WriteMetadata write_metadata_batch = {
    BASE(write_metadata), SET(level) = CAIRN__LEVEL__LEVEL_WRITTEN, SET(deadline_us) = 500000,
    .n_operations = 3,    .operations = batch_operations,
};
static const Cairn__WriteReply write_metadata_batch_reply = {
    BASE(write_reply),
    SET(sequence) = 1005,
    SET(level) = CAIRN__LEVEL__LEVEL_WRITTEN,
};
static Cairn__MetadataOperation empty_peer = {
    BASE(metadata_operation),
    SET(name) = TEXT("peer"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_VALUE,
};
static Cairn__MetadataOperation *resend_operations[] = {&empty_peer};
static const Cairn__WriteMetadata write_metadata_resend = {
    BASE(write_metadata),
    .n_operations = 1,
    .operations = resend_operations,
    SET(resend_of) = 1006,
};
static const Cairn__WriteReply write_metadata_resend_reply = {
    BASE(write_reply),
    SET(sequence) = 2001,
    SET(level) = CAIRN__LEVEL__LEVEL_ACCEPTED,
};

/* ---- reads ---- */

/* SHA-256 of "h1" */
#define HASH_OF_H1                                                                                           \
    "\x33\x11\x2e\xe1\x4e\xe4\x69\xc3\xeb\x52\xfe\x90\x32\x2e\xc8\x1d"                                       \
    "\xd4\x04\xa0\x09\x3d\x56\x5a\x6d\x71\xce\x77\xcb\xc8\x12\x4e\x3b"

static const Cairn__Height height = {BASE(height)};
static const Cairn__HeightReply height_reply = {BASE(height_reply), SET(height) = 1};
static const Cairn__ReadBlock read_block = {
    BASE(read_block),
    .at_case = CAIRN__READ_BLOCK__AT_HEIGHT,
    .height = 1,
    SET(parts) = CAIRN__PART__PART_HEADER | CAIRN__PART__PART_HASH,
};
static const Cairn__BlockReply read_block_reply = {
    BASE(block_reply),
    SET(height) = 1,
    SET(header) = TEXT("h1"),
    SET(hash) = TEXT(HASH_OF_H1),
};
static const Cairn__ReadBlock read_block_by_hash = {
    BASE(read_block),
    .at_case = CAIRN__READ_BLOCK__AT_HASH,
    .hash = TEXT("\x01\x02\x03"),
};
static const Cairn__ReadState read_state = {BASE(read_state)};
static const Cairn__StateReply read_state_reply = {
    BASE(state_reply),
    SET(height) = 1,
    SET(value) = TEXT("s1"),
};
static const Cairn__GetMetadata get_metadata = {BASE(get_metadata), SET(name) = TEXT("included")};
static const Cairn__MetadataReply get_metadata_reply = {
    BASE(metadata_reply),
    SET(value) = TEXT("\x09\0\0\0\0\0\0\0"),
};

static const Cairn__GetMetadata get_metadata_parts = {
    BASE(get_metadata),
    SET(name) = TEXT("included"),
    SET(parts) = CAIRN__METADATA_PART__METADATA_BINDING | CAIRN__METADATA_PART__METADATA_SIZE,
};
static const Cairn__MetadataReply get_metadata_parts_reply = {BASE(metadata_reply), SET(size) = 8};
static const Cairn__Usage usage = {BASE(usage)};
static const Cairn__UsageReply usage_reply = {BASE(usage_reply), SET(bytes) = 200 << 20};

/* ---- streams ---- */

static ProtobufCBinaryData names_list[] = {TEXT("peer"), TEXT("seen")};
static const Cairn__GetMetadataMany get_metadata_many = {BASE(get_metadata_many), LIST(names)};
static const Cairn__MetadataReply get_metadata_many_absent = {
    BASE(metadata_reply),
    SET(name) = TEXT("peer"),
    SET(absent) = 1,
};
static const Cairn__MetadataReply get_metadata_many_item = {
    BASE(metadata_reply),
    SET(name) = TEXT("seen"),
    SET(value) = TEXT(""),
    SET(of_height) = 1,
};
static const Cairn__ListMetadata list_metadata = {
    BASE(list_metadata),
    SET(prefix) = TEXT("in"),
    SET(window_bytes) = 10,
};
static const Cairn__MetadataReply list_metadata_item = {
    BASE(metadata_reply),
    SET(name) = TEXT("included"),
    SET(value) = TEXT("\x09\0\0\0\0\0\0\0"),
};
static const Cairn__ListMetadata list_metadata_reverse = {
    BASE(list_metadata),  SET(start) = TEXT("p"), SET(limit) = 1,
    SET(end) = TEXT("t"), SET(reverse) = 1,       SET(parts) = 0,
};
static const Cairn__MetadataReply list_metadata_reverse_item = {
    BASE(metadata_reply),
    SET(name) = TEXT("seen"),
};
static const Cairn__Credit credit = {BASE(credit), SET(bytes) = 12};
static const Cairn__ReadBlocks read_blocks = {
    BASE(read_blocks),
    SET(first) = 1,
    SET(last) = 1000,
    SET(parts) = CAIRN__PART__PART_DATA,
};
static const Cairn__BlockReply read_blocks_item = {
    BASE(block_reply),
    SET(height) = 1,
    SET(data) = TEXT("data"),
};
static const Cairn__Cancel cancel = {BASE(cancel)};
static uint64_t heights_list[] = {1, 300};
static const Cairn__ReadBlocks read_blocks_heights = {
    BASE(read_blocks),
    LIST(heights),
    SET(window_bytes) = 100,
};
static const Cairn__BlockReply read_blocks_absent = {
    BASE(block_reply),
    SET(height) = 300,
    SET(absent) = 1,
};

/* ---- prune, rollback, barrier ---- */

static Cairn__MetadataOperation raise_pruned = {
    BASE(metadata_operation),
    SET(name) = TEXT("pruned"),
    .operation_case = CAIRN__METADATA_OPERATION__OPERATION_RAISE,
    .raise = 1,
};
static Cairn__MetadataOperation *prune_metadata[] = {&raise_pruned};
static const Cairn__Prune prune = {
    BASE(prune),
    SET(level) = CAIRN__LEVEL__LEVEL_WRITTEN,
    SET(blocks_through) = 1,
    .n_metadata = 1,
    .metadata = prune_metadata,
};
static const Cairn__WriteReply prune_reply = {
    BASE(write_reply),
    SET(sequence) = 1006,
    SET(level) = CAIRN__LEVEL__LEVEL_WRITTEN,
};
static const Cairn__Prune prune_dry_run = {
    BASE(prune),
    SET(blocks_through) = 4,
    SET(states_through) = 2,
    SET(dry_run) = 1,
};
static const Cairn__WriteReply prune_dry_run_reply = {
    BASE(write_reply),
    SET(blocks) = 3,
    SET(states) = 2,
    SET(metadata) = 0,
};
static Cairn__Guard guard_final = {BASE(guard), SET(name) = TEXT("final")};
static Cairn__Guard guard_included = {BASE(guard), SET(name) = TEXT("included"), SET(lower) = 1};
static Cairn__Guard *guards_list[] = {&guard_final, &guard_included};
static const Cairn__Rollback rollback = {
    BASE(rollback),
    SET(to) = 3,
    LIST(guards),
    SET(dry_run) = 1,
};
static const Cairn__WriteReply rollback_reply = {
    BASE(write_reply), SET(blocks) = 6, SET(states) = 6, SET(metadata) = 1, SET(lowered) = 1,
};
static const Cairn__Barrier barrier = {BASE(barrier)};
static const Cairn__WriteReply barrier_reply = {
    BASE(write_reply),
    SET(sequence) = 1006,
    SET(level) = CAIRN__LEVEL__LEVEL_DURABLE,
};

/* ---- bad input ---- */

static const Cairn__Error not_a_request = {BASE(error), SET(text) = TEXT("not a request")};
static const Cairn__Error too_many = {BASE(error), SET(text) = TEXT("too many connections")};
static const Cairn__Error oversize = {BASE(error), SET(text) = TEXT("above frame_bytes_max 67108864")};
static const Cairn__Error unknown_type = {BASE(error), SET(text) = TEXT("unknown request")};
static const Cairn__Error truncated = {BASE(error), SET(text) = TEXT("a field passes the end")};
enum { TYPE_UNKNOWN = 99 };

#define REQUEST(golden_name, request_type, request_id, body)                                                 \
    {                                                                                                        \
        .name = #golden_name,                                                                                \
        .reply = {.type = FRAME_##request_type, .id = (request_id)},                                         \
        .message = &(body).base,                                                                             \
    }
#define REPLY(golden_name, request_type, request_id, reply_status, reply_flags, written, durable, ...)       \
    {.name = #golden_name,                                                                                   \
     .is_reply = true,                                                                                       \
     .reply = {.type = (request_type),                                                                       \
               .id = (request_id),                                                                           \
               .status = STATUS_##reply_status,                                                              \
               .flags = (reply_flags),                                                                       \
               .written_through = (written),                                                                 \
               .durable_through = (durable)},                                                                \
     __VA_ARGS__}
#define BODY(body)                .message = &(body).base
#define PART(body, first, behind) .message = &(body).base, .from = (first), .to = (behind)
#define EMPTY                     .raw_bytes = 0

const struct golden goldens[] = {
    REQUEST(hello, HELLO, 1, hello),
    REPLY(hello_reply, FRAME_HELLO, 1, OK, 0, 1000, 1000, BODY(hello_reply)),
    REQUEST(hello_resume, HELLO, 1, hello_resume),
    REPLY(hello_resume_reply, FRAME_HELLO, 1, OK, 0, 2000, 2000, BODY(hello_resume_reply)),
    REPLY(hello_changed_reply, FRAME_HELLO, 1, OK, 0, 900, 900, BODY(hello_changed_reply)),
    REQUEST(ping, PING, 2, ping),
    REPLY(ping_reply, FRAME_PING, 2, OK, 0, 1000, 1000, BODY(ping_reply)),
    REQUEST(create_chain, CREATE_CHAIN, 3, create_chain),
    REPLY(create_chain_reply, FRAME_CREATE_CHAIN, 3, OK, 0, 1000, 1000, BODY(create_chain_reply)),
    REQUEST(commit, COMMIT, 4, commit),
    REPLY(commit_reply, FRAME_COMMIT, 4, OK, 0, 1001, 1001, BODY(commit_reply)),
    REQUEST(commit_conditional, COMMIT, 5, commit_conditional),
    REPLY(commit_conflict_reply, FRAME_COMMIT, 5, CONFLICT, 0, 1003, 1003, BODY(commit_conflict)),
    REQUEST(write_metadata, WRITE_METADATA, 6, write_metadata),
    REPLY(write_metadata_reply, FRAME_WRITE_METADATA, 6, OK, 0, 1003, 1003, BODY(write_metadata_reply)),
    REQUEST(write_metadata_batch, WRITE_METADATA, 7, write_metadata_batch),
    REPLY(write_metadata_batch_reply, FRAME_WRITE_METADATA, 7, OK, 0, 1005, 1003,
          BODY(write_metadata_batch_reply)),
    REQUEST(write_metadata_resend, WRITE_METADATA, 2, write_metadata_resend),
    REPLY(write_metadata_resend_reply, FRAME_WRITE_METADATA, 2, OK, 0, 2000, 2000,
          BODY(write_metadata_resend_reply)),
    REQUEST(height, HEIGHT, 8, height),
    REPLY(height_reply, FRAME_HEIGHT, 8, OK, 0, 1005, 1005, BODY(height_reply)),
    REQUEST(read_block, READ_BLOCK, 9, read_block),
    REPLY(read_block_reply, FRAME_READ_BLOCK, 9, OK, 0, 1005, 1005, BODY(read_block_reply)),
    REQUEST(read_block_by_hash, READ_BLOCK, 10, read_block_by_hash),
    REPLY(read_block_not_found_reply, FRAME_READ_BLOCK, 10, NOT_FOUND, 0, 1005, 1005, EMPTY),
    REQUEST(read_state, READ_STATE, 11, read_state),
    REPLY(read_state_reply, FRAME_READ_STATE, 11, OK, 0, 1005, 1005, BODY(read_state_reply)),
    REQUEST(get_metadata, GET_METADATA, 12, get_metadata),
    REPLY(get_metadata_reply, FRAME_GET_METADATA, 12, OK, 0, 1005, 1005, BODY(get_metadata_reply)),
    REQUEST(get_metadata_parts, GET_METADATA, 29, get_metadata_parts),
    REPLY(get_metadata_parts_reply, FRAME_GET_METADATA, 29, OK, 0, 1005, 1005,
          BODY(get_metadata_parts_reply)),
    REQUEST(list_metadata_reverse, LIST_METADATA, 30, list_metadata_reverse),
    REPLY(list_metadata_reverse_item, FRAME_LIST_METADATA, 30, OK, FRAME_MORE, 1005, 1005,
          BODY(list_metadata_reverse_item)),
    REPLY(list_metadata_reverse_end, FRAME_LIST_METADATA, 30, OK, 0, 1005, 1005, EMPTY),
    REQUEST(commit_deletes, COMMIT, 31, commit_deletes),
    REPLY(commit_deletes_reply, FRAME_COMMIT, 31, CONFLICT, 0, 1007, 1007, BODY(commit_deletes_conflict)),
    REQUEST(usage, USAGE, 32, usage),
    REPLY(usage_reply, FRAME_USAGE, 32, OK, 0, 1007, 1007, BODY(usage_reply)),
    REQUEST(get_metadata_many, GET_METADATA_MANY, 13, get_metadata_many),
    REPLY(get_metadata_many_absent, FRAME_GET_METADATA_MANY, 13, OK, FRAME_MORE, 1005, 1005,
          BODY(get_metadata_many_absent)),
    REPLY(get_metadata_many_item, FRAME_GET_METADATA_MANY, 13, OK, FRAME_MORE, 1005, 1005,
          BODY(get_metadata_many_item)),
    REPLY(get_metadata_many_end, FRAME_GET_METADATA_MANY, 13, OK, 0, 1005, 1005, EMPTY),
    REQUEST(list_metadata, LIST_METADATA, 14, list_metadata),
    REPLY(list_metadata_part, FRAME_LIST_METADATA, 14, OK, FRAME_CONTINUED | FRAME_MORE, 1005, 1005,
          PART(list_metadata_item, 0, 10)),
    REQUEST(credit, CREDIT, 14, credit),
    REPLY(list_metadata_rest, FRAME_LIST_METADATA, 14, OK, FRAME_MORE, 1005, 1005,
          PART(list_metadata_item, 10, 20)),
    REPLY(list_metadata_end, FRAME_LIST_METADATA, 14, OK, 0, 1005, 1005, EMPTY),
    REQUEST(read_blocks, READ_BLOCKS, 15, read_blocks),
    REPLY(read_blocks_item, FRAME_READ_BLOCKS, 15, OK, FRAME_MORE, 1005, 1005, BODY(read_blocks_item)),
    REQUEST(cancel, CANCEL, 15, cancel),
    REPLY(read_blocks_end, FRAME_READ_BLOCKS, 15, OK, 0, 1005, 1005, EMPTY),
    REQUEST(read_blocks_heights, READ_BLOCKS, 16, read_blocks_heights),
    REPLY(read_blocks_absent, FRAME_READ_BLOCKS, 16, OK, FRAME_MORE, 1005, 1005, BODY(read_blocks_absent)),
    REQUEST(chains, CHAINS, 17, chains),
    REPLY(chains_reply, FRAME_CHAINS, 17, OK, 0, 1006, 1006, BODY(chains_reply)),
    REQUEST(status, STATUS, 18, status_page),
    REPLY(status_reply, FRAME_STATUS, 18, OK, 0, 1006, 1006, BODY(status_reply)),
    REQUEST(prune, PRUNE, 19, prune),
    REPLY(prune_reply, FRAME_PRUNE, 19, OK, 0, 1006, 1005, BODY(prune_reply)),
    REQUEST(prune_dry_run, PRUNE, 26, prune_dry_run),
    REPLY(prune_dry_run_reply, FRAME_PRUNE, 26, OK, 0, 1006, 1006, BODY(prune_dry_run_reply)),
    REQUEST(rollback, ROLLBACK, 20, rollback),
    REPLY(rollback_reply, FRAME_ROLLBACK, 20, OK, 0, 1006, 1006, BODY(rollback_reply)),
    REQUEST(barrier, BARRIER, 21, barrier),
    REPLY(barrier_reply, FRAME_BARRIER, 21, OK, 0, 1006, 1006, BODY(barrier_reply)),
    REQUEST(drop_chain, DROP_CHAIN, 27, drop_chain),
    REPLY(drop_chain_reply, FRAME_DROP_CHAIN, 27, OK, 0, 1006, 1006, BODY(drop_chain_reply)),
    REQUEST(drain, DRAIN, 28, drain),
    REPLY(drain_reply, FRAME_DRAIN, 28, OK, 0, 1007, 1007, BODY(drain_reply)),
    REQUEST(claim, CLAIM, 33, claim),
    REPLY(claim_reply, FRAME_CLAIM, 33, OK, 0, 1010, 1010, BODY(claim_reply)),
    REQUEST(commit_numbered, COMMIT, 34, commit_numbered),
    REPLY(commit_numbered_reply, FRAME_COMMIT, 34, OK, 0, 1011, 1011, BODY(numbered_reply)),
    REQUEST(commit_again, COMMIT, 35, commit_numbered),
    REPLY(commit_repeated_reply, FRAME_COMMIT, 35, OK, 0, 1012, 1012, BODY(repeated_reply)),
    REQUEST(present, PRESENT, 36, present),
    REPLY(present_reply, FRAME_PRESENT, 36, OK, 0, 1013, 1013, BODY(present_reply)),
    REPLY(present_conflict_reply, FRAME_PRESENT, 36, CONFLICT, 0, 1013, 1013, BODY(present_conflict)),
    REQUEST(release, RELEASE, 37, release),
    REPLY(release_reply, FRAME_RELEASE, 37, OK, 0, 1014, 1014, BODY(release_reply)),
    REPLY(bad_header_reply, FRAME_HELLO, 0, INVALID, 0, 1006, 1006, BODY(not_a_request)),
    REPLY(busy_connection_reply, FRAME_HELLO, 0, BUSY, 0, 1006, 1006, BODY(too_many)),
    {.name = "oversize", .reply = {.type = FRAME_COMMIT, .id = 22}, .announced = UINT32_MAX},
    REPLY(oversize_reply, FRAME_COMMIT, 22, TOO_LARGE, 0, 1006, 1006, BODY(oversize)),
    {.name = "unknown_type", .reply = {.type = TYPE_UNKNOWN, .id = 23}},
    REPLY(unknown_type_reply, TYPE_UNKNOWN, 23, UNSUPPORTED, 0, 1006, 1006, BODY(unknown_type)),
    {.name = "truncated_message",
     .reply = {.type = FRAME_HEIGHT, .id = 24},
     .raw = (const uint8_t *)"\x0a\x07"
                             "def",
     .raw_bytes = 5},
    REPLY(truncated_message_reply, FRAME_HEIGHT, 24, INVALID, 0, 1006, 1006, BODY(truncated)),
    REPLY(io_error_reply, FRAME_COMMIT, 25, IO_ERROR, 0, 1006, 1006, BODY(sync_failed)),
};

const size_t golden_count = sizeof goldens / sizeof goldens[0];
