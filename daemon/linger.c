/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lingering. What the client sends is read: a Unix socket closed with unread data resets the connection, and the answer
 * is lost with it.
 */

#include "daemon/linger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "daemon/server.h"

struct farewell {
    struct server *server;
    struct farewell *prev, *next;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    size_t dropped;      /* bytes */
    unsigned n_to_close; /* handles */
};

static void on_closed(uv_handle_t *handle) {
    struct farewell *l = handle->data;
    if (--l->n_to_close)
        return;
    struct server *server = l->server;
    fd_close(l->fd);
    free(l);
    if (!server->stopping)
        listener_resume(&server->listener);
}

static void end(struct farewell *l) {
    if (l->prev)
        l->prev->next = l->next;
    else
        l->server->lingering.first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    l->server->lingering.n--;
    l->n_to_close = 2;
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->timer, on_closed);
}

static void on_readable(uv_poll_t *poll, int status, _unused_ int events) {
    struct farewell *l = poll->data;
    char bytes[4096];
    ssize_t n = status < 0 ? 0 : recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    l->dropped += n > 0 ? (size_t)n : 0;
    if (n <= 0 || l->dropped > LINGER_BYTES)
        end(l);
}

static void on_timeout(uv_timer_t *timer) {
    end(timer->data);
}

void linger_add(struct server *server, int fd_in) {
    struct lingering *lingering = &server->lingering;
    _cleanup_(fd_closep) int fd = fd_in;
    if (lingering->n == LINGER_MAX || shutdown(fd, SHUT_WR) < 0)
        return;
    struct farewell *l = calloc(1, sizeof(*l));
    if (!l)
        return;
    if (uv_poll_init(&server->loop, &l->poll, fd)) {
        free(l);
        return;
    }
    uv_timer_init(&server->loop, &l->timer);
    l->server = server;
    l->poll.data = l->timer.data = l;
    l->fd = fd;
    fd = -1;
    l->next = lingering->first;
    if (l->next)
        l->next->prev = l;
    lingering->first = l;
    lingering->n++;
    if (uv_poll_start(&l->poll, UV_READABLE, on_readable) ||
        uv_timer_start(&l->timer, on_timeout, LINGER_MS, 0))
        end(l);
}

void linger_close_all(struct server *server) {
    while (server->lingering.first)
        end(server->lingering.first);
}
