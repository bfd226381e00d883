/* The scripts that make a shell ask `cairn completion SHELL -- WORD...`. Pure. */
#ifndef TOOL_COMPLETION_SCRIPTS_H
#define TOOL_COMPLETION_SCRIPTS_H

#define COMPLETION_SHELLS "bash zsh fish"

/* The script for that shell, for cairn and cairnd; static. NULL: there is none. */
const char *completion_script(const char *shell);

#endif
