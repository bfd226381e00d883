#include "tests/lib/numbers_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

static const uint8_t store_id[STORE_ID_BYTES] = {1, 2, 3};

void numbers_fixture_open(struct numbers_fixture *fixture, const struct numbers *numbers)
{
    struct failure failure;
    fixture->home = directory_new();
    fixture->directory_fd = open(fixture->home.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fixture->directory_fd, 0);
    fixture->numbers = numbers != NULL ? *numbers : (struct numbers){0};
    fixture->numbers.file.fd = -1;
    memcpy(fixture->numbers.store_id, store_id, sizeof store_id);
    ck_assert_msg(numbers_make(fixture->directory_fd, &fixture->numbers, &failure) == NUMBERS_OK, "%s",
                  failure.text);
}

void numbers_fixture_reopen(struct numbers_fixture *fixture)
{
    struct failure failure;
    numbers_close(&fixture->numbers);
    ck_assert_msg(numbers_open(fixture->directory_fd, store_id, &fixture->numbers, &failure) == NUMBERS_OK,
                  "%s", failure.text);
}

void numbers_fixture_close(struct numbers_fixture *fixture)
{
    numbers_close(&fixture->numbers);
    close(fixture->directory_fd);
    directory_remove(&fixture->home);
}
