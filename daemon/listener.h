/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sockets that clients connect to. Loop thread only.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/attributes.h"

struct diag;
struct server;

#define LISTENER_MAX 8 /* sockets that systemd may pass */

struct listener {
    struct server *server;
    struct listening {
        struct listener *listener;
        uv_poll_t poll;
        int fd;
    } sockets[LISTENER_MAX];
    unsigned n;
    int spare; /* given up to accept and close when no descriptor is left */
    bool paused;
    char path[108]; /* made by us, removed at the end; "" where systemd did */
};

void listener_init(struct listener *listener, struct server *server);
/* Makes the socket file; one that nobody listens on any more is replaced. A negative errno, with the diag. */
_nodiscard_ int listener_bind(struct listener *listener, const char *path, mode_t mode,
                              struct diag *diag);
/* Takes over a listening descriptor. */
_nodiscard_ int listener_adopt(struct listener *listener, int fd, struct diag *diag);
/* Descriptors are free again: accepts where it had to stop. */
void listener_resume(struct listener *listener);
/* No more connections. */
void listener_close(struct listener *listener);
