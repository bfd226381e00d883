/* The life of a reply frame:
 *
 * - It is queued, and counts as a reply of its client from then on. Small frames are copied together into chunks, so that many
 *   go out in one call; a large one is a chunk of its own and is not copied, nor is a small one that there is no memory to gather.
 * - A flush offers the oldest chunks to the kernel. What that takes at once is freed and counted no more.
 * - Otherwise the chunks belong to a write of the loop library, one at a time, until it has ended. Then `sent` is called.
 *
 * A write that fails ends like one that went well, with `failed` set: the peer takes no more, and the connection drops what is
 * queued. A stream that is closing takes no write; its chunks are dropped, and its close tells the connection. */
#include "daemon/net/output.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "daemon/runtime/budget.h"
#include "daemon/runtime/memory.h"
#include "daemon/runtime/thread.h"

enum {
    GATHER_CHUNK_BYTES = 64 << 10, /* room of a chunk for small frames; chosen */
    /* of the first, for a single small reply; chosen: malloc keeps such pieces at hand */
    GATHER_FIRST_CHUNK_BYTES = 992,
    WRITE_CHUNKS_MAX = 64, /* in one write; chosen, far below the kernel's IOV_MAX */
};

static_assert((int)GATHER_FRAME_BYTES_MAX <= (int)GATHER_CHUNK_BYTES,
              "a fresh chunk has room for any small frame");

struct output_chunk {
    struct output_chunk *next;
    uint8_t *data;
    size_t bytes;
    size_t room;
};

/* A write with the loop library; it owns its chunks. */
struct output_write {
    uv_write_t write; /* first */
    struct output *output;
    struct output_chunk *first;
    uint64_t bytes;
};

void output_init(struct output *output, uv_stream_t *stream, struct budget *budget,
                 struct budget_client *client, void (*sent)(struct output *output, bool failed), void *owner)
{
    assert(client->replies_bytes == 0 && sent != NULL); /* output_is_empty goes by the client's account */
    *output = (struct output){
        .stream = stream,
        .budget = budget,
        .client = client,
        .sent = sent,
        .owner = owner,
    };
}

static void append_chunk(struct output *output, uint8_t *data, size_t bytes, size_t room)
{
    assert(bytes <= room && (output->last == NULL) == (output->first == NULL));
    struct output_chunk *chunk = memory_new(sizeof *chunk);
    chunk->data = data;
    chunk->bytes = bytes;
    chunk->room = room;
    if (output->last == NULL) {
        output->first = chunk;
    } else {
        output->last->next = chunk;
    }
    output->last = chunk;
}

/* A chunk with room for more than the bytes that it is for, unless the machine has no memory for that. */
static void append_room(struct output *output, size_t bytes, size_t room)
{
    assert(bytes <= room);
    uint8_t *data = memory_try_raw(room);
    room = data != NULL ? room : bytes;
    append_chunk(output, data != NULL ? data : memory_raw(bytes), 0, room);
}

void output_append(struct output *output, uint8_t *frame, size_t bytes)
{
    assert(thread_is(THREAD_LOOP) && !output->is_dropped); /* nobody would free it */
    budget_reply_queued(output->budget, output->client, bytes);
    struct output_chunk *last = output->last;
    uint8_t *room;
    bool fits = last != NULL && last->room - last->bytes >= bytes && bytes <= GATHER_FRAME_BYTES_MAX;
    if (fits) {
        memcpy(last->data + last->bytes, frame, bytes);
        last->bytes += bytes;
        free(frame);
    } else if (last != NULL && bytes <= GATHER_FRAME_BYTES_MAX &&
               (room = memory_try_raw(GATHER_CHUNK_BYTES)) != NULL) {
        append_chunk(output, room, bytes, GATHER_CHUNK_BYTES);
        memcpy(room, frame, bytes);
        free(frame);
    } else {
        append_chunk(output, frame, bytes, bytes); /* alone, large, or no memory to gather: not copied */
    }
}

uint8_t *output_place(struct output *output, size_t bytes)
{
    assert(thread_is(THREAD_LOOP) && !output->is_dropped && bytes <= GATHER_FRAME_BYTES_MAX);
    struct output_chunk *last = output->last;
    if (last == NULL || last->room - last->bytes < bytes) {
        size_t room =
            last == NULL && bytes <= GATHER_FIRST_CHUNK_BYTES ? GATHER_FIRST_CHUNK_BYTES : GATHER_CHUNK_BYTES;
        append_room(output, bytes, room);
        last = output->last;
    }
    assert(last->room - last->bytes >= bytes);
    uint8_t *place = last->data + last->bytes;
    last->bytes += bytes;
    budget_reply_queued(output->budget, output->client, bytes);
    return place;
}

static void free_chunks(struct output_chunk *first)
{
    while (first != NULL) {
        struct output_chunk *next = first->next;
        free(first->data);
        free(first);
        first = next;
    }
}

static void gone(struct output *output, uint64_t bytes)
{
    budget_reply_gone(output->budget, output->client, bytes);
}

static void on_written(uv_write_t *request, int status)
{
    struct output_write *write = (struct output_write *)request; /* its first member */
    struct output *output = write->output;
    assert(thread_is(THREAD_LOOP) && output->is_writing); /* it is the only write */
    output->is_writing = false;
    gone(output, write->bytes);
    free_chunks(write->first);
    free(write);
    output->sent(output, status < 0);
}

/* Takes up to WRITE_CHUNKS_MAX chunks off the front of the queue; there is one at least. */
static struct output_chunk *take_chunks(struct output *output, uv_buf_t *buffers, unsigned *ret_count,
                                        uint64_t *ret_bytes)
{
    struct output_chunk *first = output->first;
    struct output_chunk *last = NULL;
    assert(first != NULL); /* so there is a last one below */
    *ret_count = 0;
    *ret_bytes = 0;
    for (struct output_chunk *chunk = first; chunk != NULL && *ret_count < WRITE_CHUNKS_MAX;
         chunk = chunk->next) {
        assert(chunk->bytes <= UINT32_MAX); /* a buffer counts in 32 bits */
        buffers[(*ret_count)++] = uv_buf_init((char *)chunk->data, (unsigned)chunk->bytes);
        *ret_bytes += chunk->bytes;
        last = chunk;
    }
    output->first = last->next;
    if (output->first == NULL) {
        output->last = NULL;
    }
    last->next = NULL;
    return first;
}

/* Leaves out of the buffers what was written. Returns how many of them are written whole. */
static unsigned skip_written(uv_buf_t *buffers, unsigned count, size_t written)
{
    unsigned skipped = 0;
    while (skipped < count && written >= buffers[skipped].len) {
        written -= buffers[skipped].len;
        skipped++;
    }
    assert(skipped < count || written == 0); /* the kernel took no more than it was offered */
    if (skipped < count) {
        buffers[skipped].base += written;
        buffers[skipped].len -= written;
    }
    return skipped;
}

/* Drops a write that the loop library did not take. */
static void drop_write(struct output_write *write)
{
    struct output *output = write->output;
    assert(output->is_writing); /* as output_flush set it, for the callback that does not come */
    output->is_writing = false;
    gone(output, write->bytes);
    free_chunks(write->first);
    free(write);
}

void output_flush(struct output *output)
{
    assert(thread_is(THREAD_LOOP) && (!output->is_dropped || output->first == NULL));
    while (output->first != NULL && !output->is_writing) {
        uv_buf_t buffers[WRITE_CHUNKS_MAX];
        unsigned count;
        uint64_t bytes;
        struct output_chunk *first = take_chunks(output, buffers, &count, &bytes);
        output->given_bytes += bytes;
        int written = uv_try_write(output->stream, buffers, count);
        unsigned skipped = skip_written(buffers, count, written > 0 ? (size_t)written : 0);
        if (skipped == count) {
            gone(output, bytes);
            free_chunks(first);
            continue;
        }
        struct output_write *write = memory_new(sizeof *write);
        write->output = output;
        write->first = first;
        write->bytes = bytes;
        output->is_writing = true;
        if (uv_write(&write->write, output->stream, buffers + skipped, count - skipped, on_written) != 0) {
            drop_write(write); /* the stream is closing, and its close tells the connection */
        }
    }
}

void output_drop(struct output *output)
{
    assert(thread_is(THREAD_LOOP));
    assert(!output->is_dropped || output->first == NULL); /* nothing joined it since */
    for (struct output_chunk *chunk = output->first; chunk != NULL; chunk = chunk->next) {
        gone(output, chunk->bytes);
    }
    free_chunks(output->first);
    output->first = NULL;
    output->last = NULL;
    output->is_dropped = true;
}

bool output_is_empty(const struct output *output)
{
    return output->client->replies_bytes == 0;
}

struct output_progress output_progress(const struct output *output)
{
    uv_os_fd_t fd;
    size_t waiting_bytes = uv_stream_get_write_queue_size(output->stream);
    assert(waiting_bytes <= output->given_bytes); /* the loop library has what it was given, at most */
    struct output_progress progress = {.kernel_bytes = output->given_bytes - waiting_bytes};
    if (uv_fileno((const uv_handle_t *)output->stream, &fd) == 0) {
        (void)!ioctl(fd, SIOCOUTQ, &progress.kernel_queue); /* left at 0 it says less, and nothing wrong */
    }
    return progress;
}
