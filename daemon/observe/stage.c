#include "daemon/observe/stage.h"

const char *stage_text(enum stage stage)
{
    static const char *const texts[] = {
#define STAGE_TEXT(name, text) [STAGE_##name] = text,
        STAGE_LIST(STAGE_TEXT)
#undef STAGE_TEXT
    };
    return texts[stage];
}
