/* A daemon that does what a test says: speaks frames on a socket in a directory of its own, answers nothing by itself.
 * Every receive is bounded by a few seconds; what goes wrong fails the test at hand. */
#ifndef TESTS_LIB_FAKE_DAEMON_H
#define TESTS_LIB_FAKE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cairn.pb-c.h"
#include "proto/frame.h"
#include "proto/limits.h"

struct fake_daemon {
    char directory[64];
    char path[96];
    int listener;
    uint64_t run;
    uint64_t run_random; /* 0: none, as an older daemon */
    uint64_t features;   /* that it has, of those a hello asks for */
    bool store_changed;
    uint64_t metadata_on_disk;
    uint64_t frame_bytes_max;
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t resume_run; /* what the last hello asked about; 0: nothing */
    uint64_t resume_random;
};

struct fake_frame {
    uint8_t type;
    uint64_t id;
    size_t bytes;
    uint8_t body[4096];
};

void fake_daemon_start(struct fake_daemon *daemon);
void fake_daemon_stop(struct fake_daemon *daemon);

/* Stops listening, and listens again as the next run. Connections are the test's to close. */
void fake_daemon_restart(struct fake_daemon *daemon, uint64_t metadata_on_disk);

/* Accepts a connection; with fake_daemon_meet(), also answers its hello. */
int fake_daemon_accept(struct fake_daemon *daemon);
int fake_daemon_meet(struct fake_daemon *daemon);
void fake_daemon_hello(struct fake_daemon *daemon, int fd, const struct fake_frame *hello);

void fake_receive(int fd, struct fake_frame *ret_frame);
bool fake_quiet(int fd); /* nothing has come, and it is not closed */
void fake_send_bytes(int fd, const void *bytes, size_t count);
void fake_send(int fd, const struct frame_reply *header, const void *body);
void fake_send_message(int fd, const struct fake_frame *to, uint8_t flags, const ProtobufCMessage *message);
void fake_send_error(int fd, const struct fake_frame *to, enum status status, const char *text);
void fake_send_written(int fd, const struct fake_frame *to, uint64_t sequence, Cairn__Level level,
                       uint64_t written_through);

#endif
