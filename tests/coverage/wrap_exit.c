/* What a process counted is written when it ends by exit(). In the build that counts, the linker puts these in the place of
 * _exit and abort, so that the daemon's own ends without exit() leave their counts too. What is killed, or ends by a failed
 * assert, leaves none. */
#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int code);
_Noreturn void __real_abort(void);
_Noreturn void __wrap__exit(int code);
_Noreturn void __wrap_abort(void);

_Noreturn void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}

_Noreturn void __wrap_abort(void)
{
    __gcov_dump();
    __real_abort();
}
