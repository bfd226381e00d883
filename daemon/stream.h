/* Streams: answers of many messages, under flow control. Loop only. The requests are in daemon/request.h. */
#ifndef DAEMON_STREAM_H
#define DAEMON_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

struct service;
struct session;
struct stream_set;

struct stream_set *stream_set_new(struct service *service, uint64_t streams_max);
void stream_set_free(struct stream_set *streams);

/* Those that are open, and those that wait for a place as well. */
uint64_t stream_count(const struct stream_set *streams);
uint64_t stream_total(const struct stream_set *streams);

/* Whether a request of that id is a stream of the session, open or waiting. */
bool stream_has_id(const struct session *session, uint64_t id);

/* The session's connection can take more: its streams go on. */
void stream_go_on(struct session *session);

/* The session's streams end early: with that status and text as their last frame. */
void stream_end_all(struct session *session, enum status status, const char *text);

#endif
