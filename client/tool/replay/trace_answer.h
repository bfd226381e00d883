/* Answers as the recordings have them. */
#ifndef TOOL_TRACE_ANSWER_H
#define TOOL_TRACE_ANSWER_H

#include "client/tool/replay/trace.h"

struct trace_line;

/* Reads the answer of the call from its line. False: the line says what is wrong with it. */
bool trace_answer_parse(struct trace_line *line, struct trace_call *call) CAIRN_MUST_CHECK;

/* One answer against another: the same kind, and each value in it the same. */
bool trace_answer_equal(const struct trace_answer *a, const struct trace_answer *b);

/* The answer as the recordings write it, in a text the caller frees. */
char *trace_answer_text(const struct trace_answer *answer);

#endif
