#include "CMicrohttpd.h"

struct MHD_Daemon *millrace_http_start(
    int listen_socket,
    struct millrace_http_limits limits,
    MHD_AccessHandlerCallback handler,
    void *context) {
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD,
        0, NULL, NULL,
        handler, context,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket) listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, limits.connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits.connections_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, limits.idle_timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits.header_bytes,
        MHD_OPTION_STRICT_FOR_CLIENT, (int) 1,
        MHD_OPTION_END);
}
