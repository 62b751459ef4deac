#include "CMicrohttpd.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// One open connection, in a list. Only the server's thread touches it.
struct connection {
    struct connection *next;
    struct connection *previous;
    int socket;
    // When the connection was opened or its last answer was read, in seconds.
    time_t since;
};

struct millrace_http_server {
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int stop_event;
    unsigned int request_timeout_seconds;
    // Head of the circular list.
    struct connection open;
};

static time_t now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

// Called before libmicrohttpd closes the socket, so that no number in the list is another file's.
static void notice_connection(
    void *context, struct MHD_Connection *connection, void **state,
    enum MHD_ConnectionNotificationCode code) {
    struct millrace_http_server *server = context;
    struct connection *entry = *state;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (entry == NULL) { return; }
        entry->previous->next = entry->next;
        entry->next->previous = entry->previous;
        free(entry);
        *state = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    entry = info == NULL ? NULL : malloc(sizeof *entry);
    // Without memory for it the connection is under the idle timeout only.
    if (entry == NULL) { return; }
    entry->socket = info->connect_fd;
    entry->since = now_seconds();
    entry->next = server->open.next;
    entry->previous = &server->open;
    entry->next->previous = entry;
    server->open.next = entry;
    *state = entry;
}

static void notice_completion(
    void *context, struct MHD_Connection *connection, void **request_state,
    enum MHD_RequestTerminationCode code) {
    (void) context, (void) request_state, (void) code;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *entry = info == NULL ? NULL : info->socket_context;
    if (entry != NULL) { entry->since = now_seconds(); }
}

// libmicrohttpd finds the end of such a connection when it reads or writes next.
static void shut_late_ones(struct millrace_http_server *server) {
    time_t oldest = now_seconds() - (time_t) server->request_timeout_seconds;
    struct connection *entry = server->open.next;
    for (; entry != &server->open; entry = entry->next) {
        if (entry->since < oldest) { shutdown(entry->socket, SHUT_RDWR); }
    }
}

static void *serve(void *argument) {
    struct millrace_http_server *server = argument;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd files[2] = {
        {.fd = server->stop_event, .events = POLLIN},
        {.fd = info == NULL ? -1 : info->epoll_fd, .events = POLLIN},
    };
    time_t looked = now_seconds();
    for (;;) {
        // Connections beyond the limit wait in the backlog, which stays readable: the daemon does
        // not look at it then, so that this does not spin.
        MHD_UNSIGNED_LONG_LONG wait = 1000;
        if (MHD_get_timeout(server->daemon, &wait) != MHD_YES || wait > 1000) { wait = 1000; }
        poll(files, 2, (int) wait);
        if (files[0].revents != 0) { return NULL; }
        MHD_run(server->daemon);
        if (now_seconds() != looked) {
            looked = now_seconds();
            shut_late_ones(server);
        }
    }
}

struct millrace_http_server *millrace_http_start(
    int listen_socket,
    struct millrace_http_limits limits,
    MHD_AccessHandlerCallback handler,
    void *context) {
    struct millrace_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        close(listen_socket);
        return NULL;
    }
    server->open.next = server->open.previous = &server->open;
    server->request_timeout_seconds = limits.request_timeout_seconds;
    server->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL,
        0, NULL, NULL,
        handler, context,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket) listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, limits.connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits.connections_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, limits.idle_timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits.header_bytes,
        MHD_OPTION_STRICT_FOR_CLIENT, (int) 1,
        MHD_OPTION_NOTIFY_CONNECTION, notice_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, notice_completion, server,
        MHD_OPTION_END);
    if (server->stop_event < 0 || server->daemon == NULL
        || pthread_create(&server->thread, NULL, serve, server) != 0) {
        if (server->daemon != NULL) { MHD_stop_daemon(server->daemon); }
        if (server->stop_event >= 0) { close(server->stop_event); }
        free(server);
        return NULL;
    }
    return server;
}

void millrace_http_stop(struct millrace_http_server *server) {
    uint64_t one = 1;
    while (write(server->stop_event, &one, sizeof one) < 0 && errno == EINTR) {}
    pthread_join(server->thread, NULL);
    MHD_stop_daemon(server->daemon);
    close(server->stop_event);
    free(server);
}
