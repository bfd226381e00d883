/* The fake daemon: sockets and frames, nothing kept between calls. */
#include "tests/lib/fake_daemon.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WAIT_MS = 60000 }; /* for what comes */

static void listen_at(struct fake_daemon *daemon)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, daemon->path, strlen(daemon->path));
    daemon->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(daemon->listener, 0);
    ck_assert_int_eq(bind(daemon->listener, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(daemon->listener, 16), 0);
}

void fake_daemon_start(struct fake_daemon *daemon)
{
    *daemon =
        (struct fake_daemon){.run = 1, .frame_bytes_max = FRAME_BYTES_DEFAULT, .store_id = "the first store"};
    snprintf(daemon->directory, sizeof daemon->directory, "/tmp/cairn-fake-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(daemon->directory));
    snprintf(daemon->path, sizeof daemon->path, "%s/socket", daemon->directory);
    listen_at(daemon);
}

void fake_daemon_stop(struct fake_daemon *daemon)
{
    if (daemon->listener >= 0) {
        close(daemon->listener);
    }
    unlink(daemon->path);
    rmdir(daemon->directory);
}

void fake_daemon_restart(struct fake_daemon *daemon, uint64_t metadata_on_disk)
{
    close(daemon->listener);
    unlink(daemon->path);
    daemon->run++;
    daemon->metadata_on_disk = metadata_on_disk;
    listen_at(daemon);
}

int fake_daemon_accept(struct fake_daemon *daemon)
{
    struct pollfd waiting = {daemon->listener, POLLIN, 0};
    ck_assert_int_eq(poll(&waiting, 1, WAIT_MS), 1);
    int fd = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

void fake_daemon_hello(struct fake_daemon *daemon, int fd, const struct fake_frame *hello)
{
    Cairn__HelloReply reply = CAIRN__HELLO_REPLY__INIT;
    reply.has_version = reply.has_store_id = reply.has_run = reply.has_metadata_on_disk = true;
    reply.has_frame_bytes_max = true;
    reply.version = 1;
    reply.store_id = (ProtobufCBinaryData){.data = daemon->store_id, .len = STORE_ID_BYTES};
    reply.run = daemon->run;
    reply.has_run_random = daemon->run_random != 0;
    reply.run_random = daemon->run_random;
    reply.has_features = true;
    reply.features = daemon->features;
    reply.has_store_changed = reply.store_changed = daemon->store_changed;
    reply.metadata_on_disk = daemon->metadata_on_disk;
    reply.frame_bytes_max = daemon->frame_bytes_max;
    fake_send_message(fd, hello, 0, &reply.base);
}

int fake_daemon_meet(struct fake_daemon *daemon)
{
    struct fake_frame frame;
    int fd = fake_daemon_accept(daemon);
    fake_receive(fd, &frame);
    ck_assert_int_eq(frame.type, FRAME_HELLO);
    Cairn__Hello *hello = cairn__hello__unpack(NULL, frame.bytes, frame.body);
    ck_assert_ptr_nonnull(hello);
    daemon->resume_run = hello->resume_run;
    daemon->resume_random = hello->resume_random;
    cairn__hello__free_unpacked(hello, NULL);
    fake_daemon_hello(daemon, fd, &frame);
    return fd;
}

static void receive_bytes(int fd, uint8_t *bytes, size_t count)
{
    while (count > 0) {
        struct pollfd waiting = {fd, POLLIN, 0};
        ck_assert_msg(poll(&waiting, 1, WAIT_MS) == 1, "nothing came");
        ssize_t got = read(fd, bytes, count);
        ck_assert_msg(got > 0, "the client closed the connection");
        bytes += got;
        count -= (size_t)got;
    }
}

void fake_receive(int fd, struct fake_frame *ret_frame)
{
    uint8_t header[FRAME_REQUEST_BYTES];
    struct frame_request request;
    receive_bytes(fd, header, sizeof header);
    ck_assert_int_eq(frame_request_decode(header, &request), STATUS_OK);
    ck_assert_uint_le(request.body_bytes, sizeof ret_frame->body);
    ret_frame->type = request.type;
    ret_frame->id = request.id;
    ret_frame->bytes = request.body_bytes;
    receive_bytes(fd, ret_frame->body, request.body_bytes);
}

bool fake_quiet(int fd)
{
    struct pollfd waiting = {fd, POLLIN, 0};
    return poll(&waiting, 1, 0) == 0;
}

void fake_send_bytes(int fd, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    while (count > 0) {
        ssize_t sent = send(fd, from, count, MSG_NOSIGNAL);
        ck_assert_int_gt(sent, 0);
        from += sent;
        count -= (size_t)sent;
    }
}

void fake_send(int fd, const struct frame_reply *header, const void *body)
{
    uint8_t bytes[FRAME_REPLY_BYTES];
    frame_reply_encode(header, bytes);
    fake_send_bytes(fd, bytes, sizeof bytes);
    fake_send_bytes(fd, body, header->body_bytes);
}

void fake_send_message(int fd, const struct fake_frame *to, uint8_t flags, const ProtobufCMessage *message)
{
    uint8_t body[8192];
    size_t bytes = protobuf_c_message_get_packed_size(message);
    ck_assert_uint_le(bytes, sizeof body);
    protobuf_c_message_pack(message, body);
    fake_send(
        fd,
        &(struct frame_reply){.type = to->type, .id = to->id, .flags = flags, .body_bytes = (uint32_t)bytes},
        body);
}

void fake_send_error(int fd, const struct fake_frame *to, enum status status, const char *text)
{
    uint8_t body[256], bytes[sizeof body];
    Cairn__Error error = CAIRN__ERROR__INIT;
    error.has_text = true;
    error.text = (ProtobufCBinaryData){.data = bytes, .len = strlen(text)};
    memcpy(bytes, text, strlen(text));
    size_t count = cairn__error__pack(&error, body);
    fake_send(fd,
              &(struct frame_reply){
                  .type = to->type, .id = to->id, .status = (uint8_t)status, .body_bytes = (uint32_t)count},
              body);
}

void fake_send_written(int fd, const struct fake_frame *to, uint64_t sequence, Cairn__Level level,
                       uint64_t written_through)
{
    uint8_t body[64];
    Cairn__WriteReply reply = CAIRN__WRITE_REPLY__INIT;
    reply.has_sequence = reply.has_level = true;
    reply.sequence = sequence;
    reply.level = level;
    size_t count = cairn__write_reply__pack(&reply, body);
    fake_send(fd,
              &(struct frame_reply){.type = to->type,
                                    .id = to->id,
                                    .body_bytes = (uint32_t)count,
                                    .written_through = written_through},
              body);
}
