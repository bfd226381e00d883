/* Ways to fail: a stop that fails or takes too long ends the process, and the client sees its connection end without an answer. One
 * whose connection is gone by then is not told. */
#include "daemon/serve/drain.h"

#include <assert.h>

#include "daemon/runtime/thread.h"
#include "daemon/serve/handlers.h"
#include "proto/cairn.pb-c.h"

enum request_progress drain_start(struct request *request)
{
    struct service *service = request->service;
    assert(thread_is(THREAD_LOOP) && !service->draining); /* dispatch refuses it then */
    if (service->drain != NULL) {
        request_refuse(request, STATUS_SHUTTING_DOWN, "another client has asked for that already");
        return REQUEST_TAKEN;
    }
    service->drain = request;
    return REQUEST_TAKEN;
}

bool drain_is_wanted(const struct service *service)
{
    assert(thread_is(THREAD_LOOP));
    return service->drain != NULL;
}

void drain_end(struct service *service, uint64_t operations, uint64_t connections)
{
    struct request *request = service->drain;
    assert(thread_is(THREAD_LOOP) && service->draining);
    if (request == NULL) {
        return;
    }
    Cairn__DrainReply reply = CAIRN__DRAIN_REPLY__INIT;
    reply.has_operations = true;
    reply.operations = operations;
    reply.has_connections = true;
    reply.connections = connections;
    service->drain = NULL; /* the request ends with its reply */
    request_reply(request, STATUS_OK, &reply.base);
}
