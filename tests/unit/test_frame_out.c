/* Queues of frames against a model: every frame is in the order it was pushed, whatever is popped and removed. */
#include <check.h>
#include <string.h>

#include "client/message/frame_out.h"
#include "tests/lib/random.h"
#include "tests/lib/suite.h"

enum {
    FRAMES_MAX = 50,
    STEPS = 5000,
};

START_TEST(a_new_frame_has_a_header_and_room_for_its_body)
{
    struct random_source random = random_from(random_seed("test_frame_out: headers"));
    for (int i = 0; i < 200; i++) {
        size_t body_bytes = random_below(&random, 10000);
        uint64_t id = random_next(&random);
        struct frame_out *frame = frame_out_new(FRAME_COMMIT, 0, body_bytes);
        struct frame_request header;
        ck_assert_ptr_nonnull(frame);
        frame_out_set_id(frame, id);
        memset(frame->data + FRAME_REQUEST_BYTES, 1, body_bytes);
        ck_assert_int_eq(frame_request_decode(frame->data, &header), STATUS_OK);
        ck_assert_uint_eq(header.type, FRAME_COMMIT);
        ck_assert_uint_eq(header.id, id);
        ck_assert_uint_eq(header.body_bytes, body_bytes);
        ck_assert_uint_eq(frame->bytes, FRAME_REQUEST_BYTES + body_bytes);
        frame_out_free(frame);
    }
}
END_TEST

static void assert_equal(const struct frame_queue *queue, struct frame_out *const *model, size_t count)
{
    const struct frame_out *frame = queue->first;
    for (size_t i = 0; i < count; i++, frame = frame->next) {
        ck_assert_ptr_eq(frame, model[i]);
        ck_assert_ptr_eq(frame->previous, i > 0 ? model[i - 1] : NULL);
    }
    ck_assert_ptr_null(frame);
    ck_assert_ptr_eq(queue->last, count > 0 ? model[count - 1] : NULL);
}

START_TEST(a_queue_keeps_the_order_of_its_frames)
{
    struct random_source random = random_from(random_seed("test_frame_out: queue"));
    struct frame_queue queue = {.first = NULL};
    struct frame_out *model[FRAMES_MAX];
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        uint64_t choice = random_below(&random, 4);
        if (choice < 2 && count < FRAMES_MAX) {
            model[count] = frame_out_new(FRAME_PING, 0, 0);
            ck_assert_ptr_nonnull(model[count]);
            frame_queue_push(&queue, model[count++]);
        } else if (count > 0) {
            size_t taken = choice == 2 ? 0 : random_below(&random, count);
            if (taken == 0) {
                ck_assert_ptr_eq(frame_queue_pop(&queue), model[0]);
            } else {
                frame_queue_remove(&queue, model[taken]);
            }
            frame_out_free(model[taken]);
            count--;
            memmove(&model[taken], &model[taken + 1], (count - taken) * sizeof model[0]);
        } else {
            ck_assert_ptr_null(frame_queue_pop(&queue));
        }
        assert_equal(&queue, model, count);
    }
    frame_queue_clear(&queue);
    assert_equal(&queue, model, 0);
}
END_TEST

int main(void)
{
    TCase *tests;
    Suite *suite = suite_new("frame_out", 20, &tests);
    tcase_add_test(tests, a_new_frame_has_a_header_and_room_for_its_body);
    tcase_add_test(tests, a_queue_keeps_the_order_of_its_frames);
    return suite_run(suite, true);
}
