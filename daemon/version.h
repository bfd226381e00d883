#ifndef DAEMON_VERSION_H
#define DAEMON_VERSION_H

/* The version stands in client/cairn.h, from where the Makefile passes it on. */
#define CAIRND_VERSION CAIRN_VERSION

#endif
