/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager.
 */

#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/pool.h"

static void on_timer(uv_timer_t *timer) {
    const struct notify *notify = timer->data;
    if (pool_healthy(notify->pool, notify->watchdog_us * 1000))
        sd_notify(0, "WATCHDOG=1");
    else
        log_error("a worker hangs: the watchdog is not fed");
}

int notify_init(struct notify *notify, uv_loop_t *loop, const struct pool *pool) {
    *notify = (struct notify){.pool = pool};
    int r = sd_watchdog_enabled(0, &notify->watchdog_us);
    if (r <= 0)
        return 0;
    r = uv_timer_init(loop, &notify->timer);
    if (r)
        return err_origin(r);
    notify->open = true;
    notify->timer.data = notify;
    uint64_t ms = MAX(notify->watchdog_us / 2000, (uint64_t)1);
    r = uv_timer_start(&notify->timer, on_timer, ms, ms);
    return r ? err_origin(r) : 0;
}

void notify_deinit(struct notify *notify) {
    if (notify->open)
        uv_close((uv_handle_t *)&notify->timer, NULL);
    notify->open = false;
}

void notify_ready(const char *status) {
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status) {
    sd_notifyf(0, "STATUS=%s", status);
}

void notify_stopping(void) {
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

static void take_socket(int fd, notify_socket_fn socket, void *userdata) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        log_warning("a passed socket cannot be used: %s", strerror(errno));
        fd_close(fd);
        return;
    }
    socket(fd, sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0) > 0, userdata);
}

int notify_sockets(notify_socket_fn socket, void *userdata) {
    char **names = NULL;
    int taken = 0;
    int n = sd_listen_fds_with_names(1, &names);
    if (n < 0)
        return err_origin(n);
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        bool named = n == 1 || strcmp(names[i], "varlink") == 0;
        if (named && sd_is_socket_unix(fd, SOCK_STREAM, -1, NULL, 0) > 0) {
            take_socket(fd, socket, userdata);
            taken++;
        } else {
            log_warning("a passed descriptor is no Unix stream socket named \"varlink\"");
            fd_close(fd);
        }
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return taken;
}
