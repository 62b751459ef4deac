#ifndef MILLRACE_CMICROHTTPD_H
#define MILLRACE_CMICROHTTPD_H

#include <microhttpd.h>
#include <stddef.h>

// What one client, or all of them together, may cost the server.
struct millrace_http_limits {
    // Over this, connections wait in the socket's backlog until one ends.
    unsigned int connections;
    // Over this, a connection of the same address is closed at once.
    unsigned int connections_per_address;
    // A connection without any byte for this long is closed.
    unsigned int idle_timeout_seconds;
    // Request line and headers together; over this, libmicrohttpd answers 414 or 431.
    size_t header_bytes;
};

// MHD_start_daemon takes its options as C varargs, which Swift cannot call.
//
// Starts one epoll thread that serves the bound, listening, non-blocking socket and calls `handler`
// with `context`. Returns NULL when the thread or its memory cannot be had. The socket belongs to
// the daemon from this call on, whatever the result: MHD_stop_daemon closes it.
struct MHD_Daemon *millrace_http_start(
    int listen_socket,
    struct millrace_http_limits limits,
    MHD_AccessHandlerCallback handler,
    void *context);

#endif
