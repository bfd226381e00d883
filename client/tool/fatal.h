/* The end of a run that cannot go on in any other way. */
#ifndef TOOL_FATAL_H
#define TOOL_FATAL_H

/* Says "cairn: ..." on stderr, and ends the process with exit code 1. For a lack of memory or threads, which an operator can
 * cause: a short-lived process has nothing to save, and a dump of its memory would tell nobody more. Any thread. */
_Noreturn void fatal(const char *what);

#endif
