/* Sets many names from a libuv loop, some in flight at a time, and goes on when the daemon is started again. Link with libuv.
 *
 *   uv SOCKET                exits 0 once every name is written; waits for a daemon that is not there yet */
#include <cairn_uv.h>
#include <stdio.h>

enum {
    WRITES = 10000,
    IN_FLIGHT = 100,
};

struct program;

/* One of the writes under way: it is sent again until it succeeds. Setting a name twice is as good as once, so that this is right
 * also if a result is unknown. */
struct slot {
    struct program *program;
    int number; /* the name */
    bool in_flight;
};

struct program {
    struct cairn_uv uv;
    struct slot slots[IN_FLIGHT];
    int next, written;
    int result; /* of the process */
};

static void submit_idle(struct program *program);

static void barrier_completed(void *context, const struct cairn_reply *reply)
{
    struct program *program = context;
    if (reply->status == CAIRN_OK) {
        program->result = 0;
        cairn_uv_close(&program->uv, NULL); /* nothing is left in the loop, which ends */
    }
}

static void set_completed(void *context, const struct cairn_reply *reply)
{
    struct slot *slot = context;
    struct program *program = slot->program;
    slot->in_flight = false;
    if (reply->status == CAIRN_OK) {
        program->written++;
        slot->number = program->next++;
        submit_idle(program);
    } else if (cairn_connection_get_state(program->uv.connection) == CAIRN_READY) {
        fprintf(stderr, "set: %s\n", reply->text); /* refused; what a lost connection left goes again later */
        cairn_uv_close(&program->uv, NULL);
    }
}

static void submit_idle(struct program *program)
{
    struct cairn_connection *connection = program->uv.connection;
    if (program->written == WRITES) {
        const struct cairn_barrier_request barrier = {.level = CAIRN_WRITTEN};
        (void)!cairn_submit_barrier(connection, &barrier, barrier_completed, program);
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        struct slot *slot = &program->slots[i];
        const struct cairn_slice bytes = {.data = &slot->number, .bytes = sizeof slot->number};
        const struct cairn_operation set = {.kind = CAIRN_SET, .name = bytes};
        const struct cairn_write_metadata_request write = {.operations = &set, .operation_count = 1};
        if (!slot->in_flight && slot->number < WRITES) {
            slot->in_flight =
                cairn_submit_write_metadata(connection, &write, set_completed, slot) == CAIRN_OK;
        }
    }
}

static void changed(struct cairn_uv *uv, enum cairn_status status, const char *text)
{
    struct program *program = uv->data;
    if (status == CAIRN_OK) {
        submit_idle(program);
        return;
    }
    fprintf(stderr, "%s: %s\n", cairn_status_text(status), text);
    if (status == CAIRN_STORE_CHANGED || status == CAIRN_PERMISSION || status == CAIRN_UNSUPPORTED) {
        cairn_uv_close(uv, NULL); /* a person must act */
    }
}

int main(int argc, char **argv)
{
    static struct program program = {.result = 1, .next = IN_FLIGHT};
    struct cairn_client *client;
    const struct cairn_client_options options = {.socket_path = argc == 2 ? argv[1] : NULL, .name = "uv"};
    if (cairn_client_new(&options, &client) != CAIRN_OK) {
        fprintf(stderr, "usage: uv SOCKET: %s\n", cairn_client_error(NULL));
        return 2;
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        program.slots[i] = (struct slot){.program = &program, .number = i};
    }
    if (cairn_uv_start(&program.uv, uv_default_loop(), client, changed, &program) == CAIRN_OK) {
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    }
    cairn_client_free(client);
    return program.result;
}
