/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting. Without a free descriptor a connection could be neither accepted nor refused, and the poll would report it
 * for ever: a spare one is given up to take it and close it.
 */

#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/server.h"

#define ACCEPTS_PER_EVENT 64

static int open_spare(void) {
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void listener_init(struct listener *listener, struct server *server) {
    *listener = (struct listener){.server = server, .spare = open_spare()};
}

enum shed {
    SHED_ONE,  /* there may be more */
    SHED_NONE, /* nobody waits: the kernel asks for a descriptor before it looks */
    SHED_FAILED,
};

static enum shed shed(struct listener *listener, int fd) {
    if (listener->spare < 0)
        return SHED_FAILED;
    listener->spare = fd_close(listener->spare);
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    bool nobody = client < 0 && errno == EAGAIN;
    fd_close(client);
    listener->spare = open_spare();
    if (client < 0)
        return nobody ? SHED_NONE : SHED_FAILED;
    listener->server->n_refused++;
    if (server_may_log(listener->server))
        log_warning("a connection was refused: no descriptors left");
    return SHED_ONE;
}

static void pause_accepting(struct listener *listener) {
    listener->paused = true;
    for (unsigned i = 0; i < listener->n; i++)
        uv_poll_stop(&listener->sockets[i].poll);
}

/* True: go on accepting. */
static bool accept_one(struct listener *listener, int fd) {
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) {
        server_add_peer(listener->server, client);
        return true;
    }
    switch (errno) {
    case EINTR:
    case ECONNABORTED:
        return true;
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        switch (shed(listener, fd)) {
        case SHED_ONE:
            return true;
        case SHED_NONE:
            return false;
        case SHED_FAILED:
            break;
        }
        pause_accepting(listener);
        return false;
    default:
        log_error("accepting connections failed: %s", strerror(errno));
        pause_accepting(listener);
        return false;
    }
}

static void on_readable(uv_poll_t *poll, _unused_ int status, _unused_ int events) {
    struct listening *l = poll->data;
    for (int i = 0; i < ACCEPTS_PER_EVENT && accept_one(l->listener, l->fd); i++)
        ;
}

int listener_adopt(struct listener *listener, int fd_in, struct diag *diag) {
    _cleanup_(fd_closep) int fd = fd_in;
    if (listener->n == LISTENER_MAX)
        return diag_set(diag, -E2BIG, "more than %d sockets", LISTENER_MAX);
    struct listening *l = &listener->sockets[listener->n];
    int r = uv_poll_init(&listener->server->loop, &l->poll, fd);
    if (r)
        return diag_set(diag, r, "cannot wait for the socket: %s", uv_strerror(r));
    listener->n++;
    l->listener = listener;
    l->poll.data = l;
    l->fd = fd;
    fd = -1;
    r = uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return r ? diag_set(diag, r, "cannot wait for the socket: %s", uv_strerror(r)) : 0;
}

/* Whether somebody listens on the socket file already. A file without a listener is left over from a crash. */
static int clear_path(const struct sockaddr_un *address, struct diag *diag) {
    _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return diag_set(diag, -errno, "no socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return diag_set(diag, -EADDRINUSE, "%s: another daemon serves it", address->sun_path);
    struct stat st;
    if (errno != ECONNREFUSED || lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return 0;
    if (unlink(address->sun_path) < 0)
        return diag_set(diag, -errno, "%s: %s", address->sun_path, strerror(errno));
    return 0;
}

int listener_bind(struct listener *listener, const char *path, mode_t mode, struct diag *diag) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(address.sun_path))
        return diag_set(diag, -ENAMETOOLONG, "%s: a socket's path has 1 to %zu bytes", path,
                        sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, len);
    int r = clear_path(&address, diag);
    if (r)
        return r;
    _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return diag_set(diag, -errno, "no socket: %s", strerror(errno));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return diag_set(diag, -errno, "%s: %s", path, strerror(errno));
    memcpy(listener->path, path, len + 1);
    /* Nobody can connect before it listens: the umask's mode does no harm. */
    if (chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0)
        return diag_set(diag, -errno, "%s: %s", path, strerror(errno));
    int passed = fd;
    fd = -1;
    return listener_adopt(listener, passed, diag);
}

void listener_resume(struct listener *listener) {
    if (listener->spare < 0)
        listener->spare = open_spare();
    if (!listener->paused)
        return;
    listener->paused = false;
    for (unsigned i = 0; i < listener->n; i++)
        uv_poll_start(&listener->sockets[i].poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle) {
    struct listening *l = handle->data;
    l->fd = fd_close(l->fd);
}

void listener_close(struct listener *listener) {
    for (unsigned i = 0; i < listener->n; i++)
        uv_close((uv_handle_t *)&listener->sockets[i].poll, on_closed);
    listener->n = 0;
    listener->paused = false;
    listener->spare = fd_close(listener->spare);
    if (listener->path[0])
        unlink(listener->path);
    listener->path[0] = 0;
}
