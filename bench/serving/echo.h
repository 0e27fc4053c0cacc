/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The reference: a process that answers each message with the same reply, on epoll, and does nothing else.
 */

#include <stddef.h>
#include <sys/types.h>

#define ECHO_MAX_CONNECTIONS 256

struct echo {
    pid_t pid;
    int fds[ECHO_MAX_CONNECTIONS]; /* the client's ends */
    unsigned n;
};

/* `cpu` -1: anywhere. The reply is copied. */
void echo_start(struct echo *ret_echo, int cpu, unsigned n_connections, const char *reply,
                size_t reply_size);
void echo_stop(struct echo *echo);
