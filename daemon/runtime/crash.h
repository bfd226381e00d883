/* The crash report, on stderr, which is the log's. A fatal signal, be it of a bad access, a failed assert or
 * std::terminate, leaves one line with version, build id, signal and what was printed before, then a backtrace, a line a frame, and
 * ends the process by that signal; whether there is a core, LimitCORE says. `addr2line -Cfie cairnd +0x1234` reads a frame.
 *
 * Prepared once, before there are threads. From then on the C library's stderr, by which asserts and libraries print, waits a second
 * at most for its reader, so that a stderr that nobody reads does not keep a crashed process alive. */
#ifndef DAEMON_CRASH_H
#define DAEMON_CRASH_H

void crash_prepare(void);

#endif
