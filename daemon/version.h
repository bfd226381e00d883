#ifndef DAEMON_VERSION_H
#define DAEMON_VERSION_H

#define CAIRND_VERSION "0.1.0"

#endif
