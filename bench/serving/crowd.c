/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crowd: on epoll, as cheap as a client can be, since it shares the machine with what it measures.
 */

#include "bench/serving/crowd.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/serving/exchange.h"

#define CROWD_MAX 256
#define CROWD_CALLS ((size_t)4 << 20) /* times kept */

struct client {
    int fd;
    uint64_t sent_at;
};

static void call(struct client *client, const char *message, size_t size) {
    client->sent_at = clock_now_ns();
    write_all(client->fd, message, size);
}

/* True: the answer is there. */
static bool answered(const struct client *client) {
    static char reply[EXCHANGE_MAX];
    ssize_t n = recv(client->fd, reply, sizeof(reply), MSG_DONTWAIT);
    if (n == 0)
        die("the server closed the connection");
    return n > 0 && reply[n - 1] == '\0';
}

void crowd_run(const int *fds, unsigned n, const char *message, size_t size, double seconds,
               struct crowd *ret_crowd) {
    struct client clients[CROWD_MAX];
    double *times = malloc(CROWD_CALLS * sizeof(*times));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!times || epoll < 0 || n > CROWD_MAX)
        die("clients");
    for (unsigned i = 0; i < n; i++) {
        clients[i].fd = fds[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
            die("epoll_ctl");
        call(&clients[i], message, size);
    }
    size_t n_calls = 0;
    uint64_t begin = clock_now_ns(), now = begin, end = begin + (uint64_t)(seconds * 1e9);
    for (unsigned under_way = n; under_way;) {
        struct epoll_event events[CROWD_MAX];
        int n_events = epoll_wait(epoll, events, CROWD_MAX, -1);
        for (int i = 0; i < n_events; i++) {
            struct client *client = events[i].data.ptr;
            if (!answered(client))
                continue;
            uint64_t at = clock_now_ns();
            if (at < end && n_calls < CROWD_CALLS) {
                now = at;
                times[n_calls++] = (double)(at - client->sent_at) / 1000;
                call(client, message, size);
            } else {
                under_way--;
            }
        }
    }
    *ret_crowd = (struct crowd){
        .per_second = (double)n_calls * 1e9 / (double)(now - begin),
        .p50 = quantile(times, n_calls, 0.5),
        .p99 = quantile(times, n_calls, 0.99),
    };
    close(epoll);
    free(times);
}
