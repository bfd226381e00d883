#include "tests/lib/model_round.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The writes that took effect on one chain, and the views between which a read may have fallen. */
struct views {
    const struct call *writes[ROUND_CALLS_MAX]; /* by sequence number */
    size_t n, metadata, commits;
};

void complain(struct complaint *complaint, const struct call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(complaint->text, sizeof complaint->text - 9000, format, arguments);
    va_end(arguments);
    if (call != NULL && n > 0) {
        snprintf(complaint->text + n, sizeof complaint->text - (size_t)n,
                 "\n  call: %s\n  answer: %s %s (number %" PRIu64 ")", operation_text(call->operation),
                 call->answered ? status_text(call->answer->status) : "none",
                 call->answered ? call->answer->text : "", call->sequence);
    }
}

bool call_is_applied(const struct call *call)
{
    return call->answered && call->answer->status == STATUS_OK && operation_is_write(call->operation);
}

static int by_sequence(const void *left, const void *right)
{
    uint64_t a = (*(const struct call *const *)left)->sequence;
    uint64_t b = (*(const struct call *const *)right)->sequence;
    return (a > b) - (a < b);
}

size_t round_applied(const struct round *round, const struct call **ret_calls)
{
    size_t n = 0;
    for (size_t i = 0; i < round->n; i++) {
        if (call_is_applied(&round->calls[i])) {
            ret_calls[n++] = &round->calls[i];
        }
    }
    qsort(ret_calls, n, sizeof *ret_calls, by_sequence);
    return n;
}

static bool result_fits(const struct model_result *result, const struct call *call, bool with_text)
{
    enum status status = call->answer->status;
    if (status != result->status && status != result->or_status) {
        return false;
    }
    if (status != STATUS_OK || !with_text) {
        return true;
    }
    struct answer expected;
    model_result_text(result, &expected);
    return answer_equal(&expected, call->answer);
}

/* Every write that was carried out was allowed where it stood, and said what it did. */
static bool apply_all(const struct call **writes, size_t n, struct model *model,
                      struct complaint *ret_complaint)
{
    for (size_t i = 0; i < n; i++) {
        struct model_result result = model_judge(model, writes[i]->operation);
        if (!result_fits(&result, writes[i], true)) {
            struct answer expected;
            model_result_text(&result, &expected);
            complain(ret_complaint, writes[i], "a write was carried out that in its place had to be: %s %s",
                     status_text(result.status), expected.text);
            return false;
        }
        model_apply(model, writes[i]->operation);
    }
    return true;
}

bool call_is_beside_drop(const struct round *round, const struct call *call)
{
    bool is_beside = call->was_beside_drop;
    for (const struct call *other = round->calls; other < round->calls + round->n; other++) {
        is_beside |= other != call && other->operation->kind == OPERATION_DROP_CHAIN &&
                     other->operation->chain == call->operation->chain;
    }
    return is_beside;
}

/* A refused write stands between the applied ones of its connection. */
static bool refusal_fits(const struct round *round, const struct call *refused, const struct call **writes,
                         size_t n, const struct model *base)
{
    uint64_t above = 0, below = UINT64_MAX;
    for (const struct call *call = round->calls; call < round->calls + round->n; call++) {
        if (call->operation->connection != refused->operation->connection || !call_is_applied(call)) {
            continue;
        }
        if (call < refused) {
            above = call->sequence;
        } else if (call->sequence < below) {
            below = call->sequence;
        }
    }
    struct model at = *base;
    for (size_t i = 0; i <= n; i++) {
        bool allowed = (i == 0 || writes[i - 1]->sequence < below) && (i == n || writes[i]->sequence > above);
        if (allowed) {
            struct model_result result = model_judge(&at, refused->operation);
            if (result.status != STATUS_OK && result_fits(&result, refused, false)) {
                return true;
            }
        }
        if (i < n) {
            model_apply(&at, writes[i]->operation);
        }
    }
    return false;
}

static void views_init(struct views *views, const struct call **writes, size_t n, uint32_t chain)
{
    *views = (struct views){0};
    for (size_t i = 0; i < n; i++) {
        if (writes[i]->operation->chain == chain) {
            views->writes[views->n++] = writes[i];
            bool commit = operation_is_commit(writes[i]->operation);
            views->commits += commit;
            views->metadata += !commit;
        }
    }
}

/* The model with the first `metadata` metadata writes and the first `commits` commits; false where there is no such view,
 * for a commit is seen only together with the metadata accepted before it. */
static bool view_at(const struct model *base, const struct views *views, size_t metadata, size_t commits,
                    struct model *ret_model)
{
    *ret_model = *base;
    bool left_out = false;
    for (size_t i = 0; i < views->n; i++) {
        size_t *left = operation_is_commit(views->writes[i]->operation) ? &commits : &metadata;
        if (*left > 0) {
            if (left == &commits && left_out) {
                return false;
            }
            (*left)--;
            model_apply(ret_model, views->writes[i]->operation);
        } else {
            left_out |= left == &metadata;
        }
    }
    return true;
}

/* How many writes of each lane the read has to have seen, and how many it may have. */
struct bounds {
    size_t metadata_min, metadata_max, commits_min, commits_max;
};

static struct bounds bounds_of(const struct views *views, const struct call *read)
{
    struct bounds bounds = {0, views->metadata, 0, views->commits};
    size_t metadata = 0, commits = 0;
    for (size_t i = 0; i < views->n; i++) {
        const struct call *write = views->writes[i];
        bool is_commit = operation_is_commit(write->operation);
        size_t *min = is_commit ? &bounds.commits_min : &bounds.metadata_min;
        size_t *max = is_commit ? &bounds.commits_max : &bounds.metadata_max;
        size_t before = is_commit ? commits++ : metadata++;
        if (write->answered_at != 0 && write->answered_at < read->sent_at) {
            *min = before + 1;
        }
        if (read->answered_at != 0 && write->sent_at > read->answered_at && before < *max) {
            *max = before;
        }
    }
    return bounds;
}

static bool answer_fits(const struct answer *expected, const struct call *read)
{
    if (!read->is_partial) {
        return answer_equal(expected, read->answer);
    }
    return expected->status == STATUS_OK && read->answer->n <= expected->n &&
           memcmp(expected->text, read->answer->text, read->answer->n) == 0;
}

static bool read_fits(const struct model *base, const struct views *views, const struct call *read)
{
    struct model view;
    struct answer expected;
    struct bounds bounds = bounds_of(views, read);
    for (size_t metadata = bounds.metadata_max + 1; metadata-- > bounds.metadata_min;) {
        for (size_t commits = bounds.commits_max + 1; commits-- > bounds.commits_min;) {
            if (view_at(base, views, metadata, commits, &view)) {
                model_read(&view, read->operation, &expected);
                if (answer_fits(&expected, read)) {
                    return true;
                }
            }
        }
    }
    return false;
}

static bool check_read(const struct call **writes, size_t n, const struct model *base,
                       const struct call *read, struct complaint *ret_complaint)
{
    static struct views views;
    views_init(&views, writes, n, read->operation->chain);
    if (read_fits(base, &views, read)) {
        return true;
    }
    struct answer before = {0};
    model_read(base, read->operation, &before);
    complain(ret_complaint, read, "a read no view explains; before its round it was: %s %.*s",
             status_text(before.status), (int)before.n, before.text);
    return false;
}

bool round_check(const struct round *round, struct model *model, struct complaint *ret_complaint)
{
    static const struct call *writes[ROUND_CALLS_MAX];
    size_t n = round_applied(round, writes);
    struct model base = *model;
    bool all_answered = true;
    for (size_t i = 0; i < round->n; i++) {
        all_answered &= round->calls[i].answered;
    }
    if (!all_answered) {
        return true;
    }
    if (!apply_all(writes, n, model, ret_complaint)) {
        return false;
    }
    for (const struct call *call = round->calls; call < round->calls + round->n; call++) {
        if (call->operation->kind == OPERATION_BARRIER || call_is_applied(call)) {
            continue;
        }
        if (operation_is_write(call->operation)) {
            bool is_by_drop = call->answer->status == STATUS_CONFLICT && call_is_beside_drop(round, call);
            if (!is_by_drop && !refusal_fits(round, call, writes, n, &base)) {
                complain(ret_complaint, call, "a write was refused that nowhere in its place had to be");
                return false;
            }
        } else if (!check_read(writes, n, &base, call, ret_complaint)) {
            return false;
        }
    }
    return true;
}
