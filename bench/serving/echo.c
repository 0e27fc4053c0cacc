/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The echo. It ends with its connections.
 */

#include "bench/serving/echo.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/serving/exchange.h"

/* Takes in what has come; true at the end of a message. */
static bool take_in(int fd) {
    static char message[EXCHANGE_MAX];
    ssize_t n = recv(fd, message, sizeof(message), MSG_DONTWAIT);
    if (n == 0)
        _exit(0);
    return n > 0 && message[n - 1] == '\0';
}

static _Noreturn void serve(const int *fds, unsigned n, const char *reply, size_t reply_size) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
            die("epoll_ctl");
    }
    for (;;) {
        struct epoll_event events[ECHO_MAX_CONNECTIONS];
        int n_events = epoll_wait(epoll, events, ECHO_MAX_CONNECTIONS, -1);
        for (int i = 0; i < n_events; i++)
            if (take_in(events[i].data.fd))
                write_all(events[i].data.fd, reply, reply_size);
    }
}

void echo_start(struct echo *ret_echo, int cpu, unsigned n_connections, const char *reply,
                size_t reply_size) {
    int theirs[ECHO_MAX_CONNECTIONS];
    *ret_echo = (struct echo){.n = n_connections};
    for (unsigned i = 0; i < n_connections; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            die("socketpair");
        ret_echo->fds[i] = pair[0];
        theirs[i] = pair[1];
    }
    ret_echo->pid = fork();
    if (ret_echo->pid < 0)
        die("fork");
    if (ret_echo->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned i = 0; i < n_connections; i++)
            close(ret_echo->fds[i]);
        pin(0, cpu);
        serve(theirs, n_connections, reply, reply_size);
    }
    for (unsigned i = 0; i < n_connections; i++)
        close(theirs[i]);
}

void echo_stop(struct echo *echo) {
    for (unsigned i = 0; i < echo->n; i++)
        close(echo->fds[i]);
    waitpid(echo->pid, NULL, 0);
}
