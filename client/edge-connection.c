/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection: sending, receiving, waiting. Whoever waits to send also receives, since a daemon whose replies are
 * not taken stops reading.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/edge-private.h"

#define EDGE_FIRST_CALLS 16
#define EDGE_KEEP_DOC 65536
#define EDGE_KEEP_UNSENT ((size_t)1 << 20) /* memory kept while nothing waits to be sent */

void reply_deinit(struct reply *reply) {
    buffer_deinit(&reply->text);
    reply->fd = fd_close(reply->fd);
}

static int connect_to(const char *path, int fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0)
        return -ENOENT;
    if (n >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, n);
    bool is_abstract = path[0] == '@';
    if (is_abstract)
        address.sun_path[0] = 0;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !is_abstract);
    int r;
    do
        r = connect(fd, (const struct sockaddr *)&address, size);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

_public_ int edge_connect_fd(int fd, struct edge **ret_edge) {
    if (fd < 0)
        return -EBADF;
    struct edge *edge = calloc(1, sizeof(*edge));
    if (!edge)
        return err_origin(-ENOMEM);
    edge->fd = fd;
    edge->timeout = -1;
    edge->current.fd = -1;
    frame_reader_init(&edge->reader, FRAME_MAX_MESSAGE);
    buffer_init(&edge->unsent, EDGE_MAX_UNSENT);
    json_doc_init(&edge->doc);
    *ret_edge = edge;
    return 0;
}

_public_ int edge_connect(const char *path, struct edge **ret_edge) {
    _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_origin(-errno);
    int r = connect_to(path ? path : EDGE_DEFAULT_SOCKET, fd);
    if (!r)
        r = edge_connect_fd(fd, ret_edge);
    if (!r)
        fd = -1;
    return r;
}

_public_ struct edge *edge_close(struct edge *edge) {
    if (!edge)
        return NULL;
    edge_drop_sessions(edge);
    edge_drop_regions(edge);
    for (size_t i = 0; i < edge->n_replies; i++)
        reply_deinit(&edge->replies[(edge->head + i) & (edge->cap - 1)]);
    free(edge->replies);
    reply_deinit(&edge->current);
    json_doc_deinit(&edge->doc);
    frame_reader_deinit(&edge->reader);
    buffer_deinit(&edge->unsent);
    free(edge->values);
    fd_close(edge->fd);
    free(edge);
    return NULL;
}

_public_ void edge_set_timeout(struct edge *edge, unsigned milliseconds) {
    edge->timeout = milliseconds ? (int)MIN(milliseconds, (unsigned)INT32_MAX) : -1;
}

_public_ int edge_fd(const struct edge *edge) {
    return edge->fd;
}

static bool has_unsent(const struct edge *edge) {
    return edge->n_sent < edge->unsent.len;
}

_public_ short edge_events(const struct edge *edge) {
    return (short)(POLLIN | (has_unsent(edge) ? POLLOUT : 0));
}

_public_ size_t edge_ready(const struct edge *edge) {
    return edge->n_replies;
}

_public_ size_t edge_in_flight(const struct edge *edge) {
    return edge->n_calls;
}

/* Moves complete messages to the replies of the calls that wait. */
static int take_messages(struct edge *edge) {
    struct frame_message message;
    frame_message_init(&message);
    int r;
    while ((r = frame_next(&edge->reader, &message)) == 0) {
        if (edge->n_replies == edge->n_calls) {
            r = edge_break(edge, -EPROTO, "the daemon sent a message that answers no call");
            break;
        }
        struct reply *reply = &edge->replies[(edge->head + edge->n_replies++) & (edge->cap - 1)];
        *reply = (struct reply){.text = message.text, .fd = -1};
        if (message.fds.n && frame_fds_take(&message.fds, 0, &reply->fd))
            reply->fd = -1;
        frame_fds_reset(&message.fds);
        frame_message_init(&message);
    }
    frame_message_deinit(&message);
    if (r < 0 && !edge->broken)
        return edge_break(edge, r, "a reply could not be taken: %s", strerror(-r));
    return r < 0 ? r : 0;
}

/* Receives without waiting; -EAGAIN where nothing came. */
static int receive_some(struct edge *edge) {
    size_t n;
    int r;
    do
        r = frame_recv(&edge->reader, edge->fd, MSG_DONTWAIT, &n);
    while (r == -EINTR);
    if (r == -EAGAIN)
        return r;
    if (r == -EMSGSIZE)
        return edge_break(edge, r, "a reply is longer than %zu MiB", FRAME_MAX_MESSAGE >> 20);
    if (r)
        return edge_break(edge, r, "receiving failed: %s", strerror(-r));
    if (n == 0)
        return edge_break(edge, -ECONNRESET, "the daemon ended the connection%s",
                          frame_reader_partial(&edge->reader) ? " within a reply" : "");
    return take_messages(edge);
}

/* Sending has failed. What the daemon said before it hung up counts, since it may say why: it is received first. */
static int lose(struct edge *edge, int code) {
    int r;
    do
        r = receive_some(edge);
    while (!r);
    return edge_break(edge, code, "the daemon ended the connection: %s", strerror(-code));
}

/* Sends without waiting; -EAGAIN where something is left. */
static int send_some(struct edge *edge) {
    while (has_unsent(edge)) {
        struct iovec iov = {edge->unsent.data + edge->n_sent, edge->unsent.len - edge->n_sent};
        size_t n;
        int r = frame_send(edge->fd, &iov, 1, NULL, 0, MSG_DONTWAIT, &n);
        if (r == -EINTR)
            continue;
        if (r == -EAGAIN)
            return r;
        if (r)
            return lose(edge, r);
        edge->n_sent += n;
    }
    edge->n_sent = 0;
    buffer_reset(&edge->unsent, EDGE_KEEP_UNSENT);
    return 0;
}

_public_ int edge_process(struct edge *edge) {
    int r = edge_check(edge);
    if (r)
        return r;
    r = send_some(edge);
    if (r && r != -EAGAIN)
        return r;
    do
        r = receive_some(edge);
    while (!r);
    return r == -EAGAIN ? 0 : r;
}

/* Waits for the socket; -ETIMEDOUT after the deadline (0: none). */
static int wait_for(struct edge *edge, short events, uint64_t deadline_ns) {
    for (;;) {
        int timeout = -1;
        if (deadline_ns) {
            uint64_t now = clock_now_ns();
            if (now >= deadline_ns)
                return edge_break(edge, -ETIMEDOUT, "the daemon did not answer in time");
            timeout = (int)MIN((deadline_ns - now + 999999) / 1000000, (uint64_t)INT32_MAX);
        }
        struct pollfd p = {.fd = edge->fd, .events = events};
        int r = poll(&p, 1, timeout);
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return edge_break(edge, err_origin(-errno), "waiting failed: %s", strerror(errno));
    }
}

static uint64_t deadline(const struct edge *edge) {
    return edge->timeout < 0 ? 0 : clock_now_ns() + (uint64_t)edge->timeout * 1000000;
}

/* Exchanges bytes until the first `n` of the calls under way have replies, and (n 0) all is sent. */
static int exchange(struct edge *edge, size_t n) {
    uint64_t until = deadline(edge);
    while (edge->n_replies < n || (n == 0 && has_unsent(edge))) {
        int sent = send_some(edge);
        if (n ? edge->n_replies >= n : !sent)
            return 0;
        if (sent && sent != -EAGAIN)
            return sent;
        int received = receive_some(edge);
        if (received && received != -EAGAIN)
            return received;
        if (received) {
            int r = wait_for(edge, (short)(POLLIN | (sent ? POLLOUT : 0)), until);
            if (r)
                return r;
        }
    }
    return 0;
}

static int grow_calls(struct edge *edge) {
    size_t cap = edge->cap ? edge->cap * 2 : EDGE_FIRST_CALLS;
    struct reply *replies = calloc(cap, sizeof(*replies));
    if (!replies)
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    for (size_t i = 0; i < edge->n_replies; i++)
        replies[i] = edge->replies[(edge->head + i) & (edge->cap - 1)];
    free(edge->replies);
    edge->replies = replies;
    edge->cap = cap;
    edge->head = 0;
    return 0;
}

int edge_begin_call(struct edge *edge, const char *method, struct json_writer *ret_writer,
                    size_t *ret_start) {
    int r = edge_check(edge);
    if (r)
        return r;
    if (edge->n_calls >= EDGE_MAX_IN_FLIGHT)
        return edge_set_error(edge, -EAGAIN, "%d calls are under way: receive some first",
                              EDGE_MAX_IN_FLIGHT);
    if (edge->n_calls == edge->cap) {
        r = grow_calls(edge);
        if (r)
            return r;
    }
    if (edge->n_sent >= EDGE_KEEP_UNSENT) {
        buffer_consume(&edge->unsent, edge->n_sent);
        edge->n_sent = 0;
    }
    *ret_start = edge->unsent.len;
    message_begin_call(ret_writer, &edge->unsent, method, false, false);
    return 0;
}

/* Descriptors go with the first byte of their message, which no sendmsg may hold together with another's bytes. */
static int send_with_fd(struct edge *edge, size_t start, int fd) {
    size_t size = edge->unsent.len - start;
    uint8_t *message = malloc(size);
    if (!message) {
        edge->unsent.len = start;
        return edge_set_error(edge, err_origin(-ENOMEM), "out of memory");
    }
    memcpy(message, edge->unsent.data + start, size);
    edge->unsent.len = start;
    int r = exchange(edge, 0);
    size_t n = 0;
    while (!r) {
        struct iovec iov = {message, size};
        r = frame_send(edge->fd, &iov, 1, &fd, 1, MSG_DONTWAIT, &n);
        if (!r)
            break;
        r = r == -EINTR    ? 0
            : r == -EAGAIN ? wait_for(edge, POLLOUT, deadline(edge))
                           : lose(edge, r);
    }
    if (!r && n < size && buffer_append(&edge->unsent, message + n, size - n))
        r = edge_break(edge, err_origin(-ENOMEM), "out of memory within a call");
    free(message);
    return r;
}

int edge_end_call(struct edge *edge, struct json_writer *writer, size_t start, int fd) {
    int r = message_end(writer);
    size_t size = edge->unsent.len - start;
    if (!r && size > FRAME_MAX_MESSAGE)
        r = -EMSGSIZE;
    if (r) {
        edge->unsent.len = start;
        if (r == -EMSGSIZE && size <= FRAME_MAX_MESSAGE && start > 0)
            return edge_set_error(edge, -EAGAIN,
                                  "too many bytes are under way: receive some first");
        return edge_set_error(edge, r == -EMSGSIZE ? -E2BIG : r,
                              r == -EMSGSIZE ? "the call is longer than %zu MiB: use a region"
                                             : "out of memory for a call of up to %zu MiB",
                              FRAME_MAX_MESSAGE >> 20);
    }
    edge->n_calls++;
    r = fd >= 0 ? send_with_fd(edge, start, fd) : 0;
    if (r && !edge->broken)
        edge->n_calls--;
    if (!r)
        r = send_some(edge);
    /* A call that was answered before it was sent has its result: a daemon that takes no more connections. */
    return r == -EAGAIN || (r && edge->broken && edge->n_replies == edge->n_calls) ? 0 : r;
}

static void set_current(struct edge *edge, size_t index) {
    json_doc_reset(&edge->doc, EDGE_KEEP_DOC);
    reply_deinit(&edge->current);
    edge->current = edge->replies[(edge->head + index) & (edge->cap - 1)];
    edge->n_replies--;
    edge->n_calls--;
}

int edge_await_newest(struct edge *edge) {
    int r = exchange(edge, edge->n_calls);
    if (!r)
        set_current(edge, edge->n_calls - 1);
    return r;
}

int edge_await_oldest(struct edge *edge) {
    int r = exchange(edge, 1);
    if (r)
        return r;
    size_t head = edge->head;
    set_current(edge, 0);
    edge->head = (head + 1) & (edge->cap - 1);
    return 0;
}
