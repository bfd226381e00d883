/* The names of the stages, as the status page has them. */
#include "daemon/observe/stage.h"

#include <assert.h>

const char *stage_text(enum stage stage)
{
    static const char *const texts[] = {
#define STAGE_TEXT(name, text) [STAGE_##name] = text,
        STAGE_LIST(STAGE_TEXT)
#undef STAGE_TEXT
    };
    assert(stage < STAGES);
    return texts[stage];
}
