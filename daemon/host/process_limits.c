/* Each soft limit is raised as far as the hard one allows. If that is not enough the start is refused: only an administrator raises it. */
#include "daemon/host/process_limits.h"

#include <assert.h>
#include <sys/resource.h>

#include "daemon/runtime/thread.h"

enum {
    FILES_BESIDE_CONNECTIONS = 1024, /* the store's, and what libraries open */
    FILES_SPARE_MAX = 4096,          /* of deleted files, whose space goes back one by one; chosen: 128 GiB */
};

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

bool process_limits_raise_files(uint64_t connections_max, uint64_t most,
                                struct process_limits_files *ret_limit)
{
    assert(connections_max > 0 && connections_max <= UINT32_MAX); /* the setting's bounds: the sums fit */
    assert(thread_is(THREAD_OTHER));
    struct rlimit limit;
    uint64_t needed = connections_max + FILES_BESIDE_CONNECTIONS, wanted = needed + FILES_SPARE_MAX;
    /* a filter of system calls may refuse it: nothing is known then */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        *ret_limit = (struct process_limits_files){UINT64_MAX, needed, 0};
        return true;
    }
    uint64_t reach = smaller(smaller(wanted, most), limit.rlim_max);
    if (limit.rlim_cur < reach) {
        struct rlimit raised = {.rlim_cur = reach, .rlim_max = limit.rlim_max};
        limit = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised : limit;
    }
    uint64_t has = smaller(limit.rlim_cur, most);
    *ret_limit = (struct process_limits_files){has, needed, has > needed ? smaller(has, wanted) - needed : 0};
    return has >= needed;
}

/* False: it is below `needed`, *ret_has is set. */
static bool raise_to(__rlimit_resource_t resource, uint64_t needed, uint64_t *ret_has)
{
    assert(thread_is(THREAD_OTHER));
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur >= needed) {
        return true;
    }
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    limit = setrlimit(resource, &raised) == 0 ? raised : limit;
    bool is_ample = limit.rlim_cur >= needed;
    *ret_has = is_ample ? *ret_has : limit.rlim_cur;
    return is_ample;
}

bool process_limits_raise_file_size(uint64_t *ret_bytes)
{
    return raise_to(RLIMIT_FSIZE, PROCESS_LIMITS_FILE_SIZE_MIN, ret_bytes);
}

bool process_limits_raise_memory(uint64_t *ret_bytes)
{
    return raise_to(RLIMIT_AS, PROCESS_LIMITS_MEMORY_MIN, ret_bytes);
}
