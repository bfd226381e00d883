/* A piece is a header of 7 bytes, which are the checksum (4, masked) of all that follows it, the length (2) and the type (1), and as
 * many bytes as the length says. A piece never crosses the end of a block; where less than a header is left of one, the
 * remainder is padding. */
#include "daemon/engine/rocksdb/audit_record.h"

#include <stdlib.h>

#include "daemon/engine/rocksdb/coding.h"
#include "daemon/engine/rocksdb/crc32c.h"
#include "daemon/runtime/memory.h"

enum { HEADER_BYTES = 7, CHECKSUM_BYTES = 4 };

/* RocksDB's types of pieces, but for those of recycled and compressed logs, which the engine never has. */
enum piece_type {
    PIECE_WHOLE = 1, /* a record of one piece */
    PIECE_FIRST = 2,
    PIECE_MIDDLE = 3,
    PIECE_LAST = 4,
};

struct piece {
    enum piece_type type;
    struct slice bytes;
};

/* Reads the piece at the beginning of what is left of a block. NULL, or why there is none. */
static const char *read_piece(struct slice left, struct piece *ret_piece)
{
    assert(left.bytes <= AUDIT_BLOCK_BYTES); /* no piece crosses the end of a block */
    if (left.bytes < HEADER_BYTES) {
        return "a record is cut off in its header";
    }
    size_t length = (size_t)coding_fixed(left.data + CHECKSUM_BYTES, 2);
    uint8_t type = left.data[HEADER_BYTES - 1];
    if (type == 0 && length == 0) {
        return "there are zeros where a record should be";
    }
    if (type < PIECE_WHOLE || type > PIECE_LAST) {
        return "a record has an unknown type";
    }
    if (length > left.bytes - HEADER_BYTES) {
        return "a record is cut off";
    }
    uint32_t crc = crc32c_extend(0, left.data + HEADER_BYTES - 1, length + 1);
    if (crc32c_masked(crc) != (uint32_t)coding_fixed(left.data, CHECKSUM_BYTES)) {
        return "the checksum of a record does not match";
    }
    *ret_piece = (struct piece){(enum piece_type)type, slice_of(left.data + HEADER_BYTES, length)};
    return NULL;
}

static void keep(struct audit_reader *reader, struct slice bytes)
{
    assert(reader->kept_bytes <= reader->receiver.kept_bytes_max);
    size_t room = reader->receiver.kept_bytes_max - reader->kept_bytes;
    size_t kept = bytes.bytes < room ? bytes.bytes : room;
    if (kept == 0) {
        return;
    }
    if (reader->kept_bytes + kept > reader->kept_capacity) {
        reader->kept_capacity = 2 * (reader->kept_bytes + kept);
        reader->kept = memory_resize(reader->kept, reader->kept_capacity);
    }
    assert(reader->kept_bytes + kept <= reader->kept_capacity);
    memcpy(reader->kept + reader->kept_bytes, bytes.data, kept);
    reader->kept_bytes += kept;
}

/* As much of the bytes as the receiver keeps of a record. */
static struct slice shown(const struct audit_reader *reader, struct slice bytes)
{
    size_t max = reader->receiver.kept_bytes_max;
    return slice_of(bytes.data, bytes.bytes < max ? bytes.bytes : max);
}

/* A record that has begun and did not come to its end counts as found: its beginning can be read. */
static void end(struct audit_reader *reader, uint64_t at, const char *reason)
{
    assert(!reader->has_ended);
    assert(at >= reader->whole_to); /* what is cut off begins there */
    assert(reason != NULL);         /* NULL says that it did not end */
    reader->has_ended = true;
    reader->ended_at = at;
    reader->reason = reason;
    if (reader->is_inside) {
        struct audit_record record = {reader->from, reader->from + reader->kept_bytes,
                                      slice_of(reader->kept, reader->kept_bytes)};
        reader->receiver.find(reader->receiver.context, &record);
        reader->is_inside = false;
    }
}

static void hand_out(struct audit_reader *reader, const struct audit_record *record)
{
    assert(record->from >= reader->whole_to);
    assert(!reader->is_inside); /* else a refusal would have it found twice */
    if (reader->receiver.take(reader->receiver.context, record)) {
        reader->whole_to = record->to;
    } else {
        end(reader, record->from, "a record does not follow the one before it");
        reader->receiver.find(reader->receiver.context, record);
    }
}

/* Takes a piece that lies from `from` to `to` in the file. */
static void take_piece(struct audit_reader *reader, const struct piece *piece, uint64_t from, uint64_t to)
{
    assert(!reader->has_ended); /* behind the end records are only found */
    assert(to - from == HEADER_BYTES + piece->bytes.bytes);
    bool begins = piece->type == PIECE_WHOLE || piece->type == PIECE_FIRST;
    if (begins == reader->is_inside) {
        end(reader, from, "a record lacks a part");
        if (begins) {
            struct audit_record record = {from, to, shown(reader, piece->bytes)};
            reader->receiver.find(reader->receiver.context, &record);
        }
        return;
    }
    if (piece->type == PIECE_WHOLE) {
        struct audit_record record = {from, to, shown(reader, piece->bytes)};
        hand_out(reader, &record);
        return;
    }
    if (piece->type == PIECE_FIRST) {
        reader->is_inside = true;
        reader->from = from;
        reader->kept_bytes = 0;
    }
    keep(reader, piece->bytes);
    if (piece->type == PIECE_LAST) {
        struct audit_record record = {reader->from, to, slice_of(reader->kept, reader->kept_bytes)};
        reader->is_inside = false;
        hand_out(reader, &record);
    }
}

/* Takes pieces as long as all is whole. Returns how many bytes of the block that was. */
static size_t take_whole(struct audit_reader *reader, struct slice block)
{
    size_t at = 0;
    while (at < block.bytes && AUDIT_BLOCK_BYTES - at >= HEADER_BYTES) {
        struct piece piece;
        const char *reason = read_piece(slice_of(block.data + at, block.bytes - at), &piece);
        if (reason != NULL) {
            end(reader, reader->block_from + at, reason);
            return at;
        }
        size_t next = at + HEADER_BYTES + piece.bytes.bytes;
        assert(next <= block.bytes); /* read_piece takes no longer one */
        take_piece(reader, &piece, reader->block_from + at, reader->block_from + next);
        at = next;
        if (reader->has_ended) {
            return at;
        }
    }
    return block.bytes;
}

/* Looks at every remaining byte of a block for a piece. */
static void find_pieces(struct audit_reader *reader, struct slice block, size_t at)
{
    assert(reader->has_ended && at <= block.bytes);
    while (at + HEADER_BYTES <= block.bytes) {
        struct piece piece;
        if (block.data[at + HEADER_BYTES - 1] == 0 ||
            read_piece(slice_of(block.data + at, block.bytes - at), &piece) != NULL) {
            at++;
            continue;
        }
        size_t next = at + HEADER_BYTES + piece.bytes.bytes;
        if (piece.type == PIECE_WHOLE || piece.type == PIECE_FIRST) {
            struct audit_record record = {reader->block_from + at, reader->block_from + next,
                                          shown(reader, piece.bytes)};
            reader->receiver.find(reader->receiver.context, &record);
        }
        at = next;
    }
}

void audit_reader_init(struct audit_reader *reader, const struct audit_receiver *receiver)
{
    assert(receiver->take != NULL && receiver->find != NULL);
    *reader = (struct audit_reader){.receiver = *receiver};
}

void audit_reader_take(struct audit_reader *reader, struct slice block)
{
    assert(block.bytes <= AUDIT_BLOCK_BYTES);
    assert(reader->block_from % AUDIT_BLOCK_BYTES == 0); /* else the block before was the file's last one */
    size_t at = reader->has_ended ? 0 : take_whole(reader, block);
    if (reader->has_ended) {
        find_pieces(reader, block, at);
    }
    reader->block_from += block.bytes;
}

void audit_reader_end(struct audit_reader *reader)
{
    if (!reader->has_ended && reader->is_inside) {
        end(reader, reader->block_from, "a record is cut off");
    }
    assert(!reader->is_inside); /* nobody comes back to what is kept */
    free(reader->kept);
    reader->kept = NULL;
}
