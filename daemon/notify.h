/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * systemd: readiness, status, watchdog, passed sockets. Without systemd all of it does nothing. Loop thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/attributes.h"

struct pool;

struct notify {
    uv_timer_t timer;
    bool open;
    const struct pool *pool;
    uint64_t watchdog_us;
};

/* Starts feeding the watchdog, if there is one: while the loop runs and the pool is healthy. */
_nodiscard_ int notify_init(struct notify *notify, uv_loop_t *loop, const struct pool *pool);
void notify_deinit(struct notify *notify);

/* READY=1, STATUS=text */
void notify_ready(const char *status);
void notify_status(const char *status);
void notify_stopping(void);

/* A socket that was passed at start: to listen on, or (`connected`) a client already. The callback takes it over. */
typedef void (*notify_socket_fn)(int fd, bool connected, void *userdata);
/* Hands over each socket named "varlink", or the only one; closes others. Clears the environment. How many it were,
 * or a negative errno. */
_nodiscard_ int notify_sockets(notify_socket_fn socket, void *userdata);
