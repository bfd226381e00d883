/* How a process ends is decided where the failure is known, by its status; this is the one list of what that means outside. */
#include "daemon/runtime/exit_code.h"

#include <assert.h>
#include <errno.h>

const struct exit_code_row exit_codes[EXIT_CODES] = {
    {EXIT_CODE_STOPPED, false, "stopped as told"},
    {EXIT_CODE_FAILED, false,
     "something is missing that may come back, such as memory, threads or a device; or a stop took "
     "stop_timeout"},
    {EXIT_CODE_DAMAGED, true, "the store is damaged"},
    {EXIT_CODE_TAKEN, true, "another daemon has the data directory"},
    {EXIT_CODE_WRITE_FAILED, false, "a write failed, or the data directory was removed; recovery decides"},
    {EXIT_CODE_STALLED, false, "something did not move for stall_timeout; recovery decides"},
    {EXIT_CODE_REFUSED, true,
     "a setting, path, permission, limit or the directory's contents refuse the start"},
};

bool exit_code_needs_person(int code)
{
    for (int i = 0; i < EXIT_CODES; i++) {
        if ((int)exit_codes[i].code == code) {
            return exit_codes[i].needs_person;
        }
    }
    return false;
}

enum exit_code exit_code_of_start(enum status status)
{
    assert(status != STATUS_OK); /* a start that did not fail has no code yet */
    switch (status) {
    case STATUS_INVALID:
        return EXIT_CODE_REFUSED;
    case STATUS_DAMAGED:
        return EXIT_CODE_DAMAGED;
    default:
        return EXIT_CODE_FAILED;
    }
}

enum status exit_code_status_of_errno(int error)
{
    assert(error > 0);
    switch (error) {
    case EACCES:
    case EPERM:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EMFILE:
    case EFBIG:
    case EROFS:
    case ENOTSUP:
        return STATUS_INVALID;
    default:
        return STATUS_IO_ERROR;
    }
}

const char *exit_code_cure_of_errno(int error)
{
    assert(error > 0);
    switch (error) {
    case EROFS:
        return "; mount it for writing, or name it in ReadWritePaths= of the unit";
    case EACCES:
        return "; it has to belong to the user that the daemon runs as";
    case ENOSPC:
    case EDQUOT:
        return "; free some space on its file system, or raise the quota";
    default:
        return "";
    }
}
