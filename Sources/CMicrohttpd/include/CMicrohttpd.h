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
    // A request that is not sent whole, and its answer read, within this is closed, bytes or not.
    unsigned int request_timeout_seconds;
    // Request line and headers together; over this, libmicrohttpd answers 414 or 431.
    size_t header_bytes;
};

struct millrace_http_server;

// Starts one thread that serves the bound, listening, non-blocking socket and calls `handler`
// with `context`. Returns NULL when the thread or its memory cannot be had. The socket belongs to
// the server from this call on, whatever the result: millrace_http_stop closes it.
struct millrace_http_server *millrace_http_start(
    int listen_socket,
    struct millrace_http_limits limits,
    MHD_AccessHandlerCallback handler,
    void *context);

// Closes the socket and all connections, waits for the thread and frees the server. Not on its own
// thread.
void millrace_http_stop(struct millrace_http_server *server);

#endif
