/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process forks a client every 50 ms and kills it with the next.
 */

#include "tests/load/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/load/connection.h"
#include "tests/load/outcome.h"

#define CHAOS_CALLS 5000

/* Calls as any other client does, until it is killed. */
static void behave(struct connection *c) {
    while (!connection_done(c)) {
        struct pollfd pollfd = {.fd = c->caller.fd, .events = connection_events(c)};
        poll(&pollfd, 1, 1000);
        connection_step(c, pollfd.revents);
    }
}

/* Sends and never reads a reply. */
static void flood(struct connection *c) {
    for (;;) {
        struct pollfd pollfd = {.fd = c->caller.fd, .events = POLLOUT};
        poll(&pollfd, 1, 1000);
        connection_step(c, pollfd.revents & POLLOUT);
    }
}

/* Sends the beginning of a message and no more, in the middle of other calls. */
static void stall(struct connection *c) {
    for (int i = 0; i < 20; i++)
        connection_step(c, POLLOUT);
    static const char text[] = "{\"method\":\"io.edged.Infer\",\"parameters\":{\"inputs\":[{\"da";
    caller_send_bytes(&c->caller, text, sizeof(text) - 1, NULL, 0);
    pause();
}

static _Noreturn void be_client(const char *socket, const struct networks *networks,
                                uint64_t seed) {
    static void (*const manners[])(struct connection * c) = {behave, flood, stall};
    struct connection c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    connection_start(&c, socket, networks, seed, CHAOS_CALLS);
    manners[seed % 3](&c);
    /* All answered in time: ends without a word. */
    _exit(0);
}

static _Noreturn void keep_killing(const char *socket, const struct networks *networks,
                                   uint64_t seed, int stop, int count) {
    unsigned n = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd pollfd = {.fd = stop, .events = POLLIN};
    do {
        pid_t pid = fork();
        if (pid == 0)
            be_client(socket, networks, seed + n);
        int ready = poll(&pollfd, 1, CHAOS_INTERVAL_MS), status;
        kill(pid, SIGKILL);
        expect(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
        /* It checks replies as well: a wrong one ends it by itself. */
        if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0)
            _exit(1);
        n++;
        if (ready != 0)
            break;
    } while (true);
    if (write(count, &n, sizeof(n)) != sizeof(n))
        _exit(1);
    _exit(0);
}

void chaos_start(struct chaos *ret_chaos, const char *socket, const struct networks *networks,
                 uint64_t seed) {
    int stop[2], count[2];
    expect(pipe2(stop, O_CLOEXEC) == 0 && pipe2(count, O_CLOEXEC) == 0, "pipe: %s",
           strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    expect(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        fd_close(stop[1]);
        fd_close(count[0]);
        keep_killing(socket, networks, seed, stop[0], count[1]);
    }
    fd_close(stop[0]);
    fd_close(count[1]);
    *ret_chaos = (struct chaos){.pid = pid, .stop = stop[1], .count = count[0]};
}

unsigned chaos_stop(struct chaos *chaos) {
    unsigned n = 0;
    int status;
    chaos->stop = fd_close(chaos->stop);
    expect(read(chaos->count, &n, sizeof(n)) == sizeof(n),
           "a client that was to be killed saw a wrong answer first");
    expect(waitpid(chaos->pid, &status, 0) == chaos->pid, "waitpid: %s", strerror(errno));
    chaos->count = fd_close(chaos->count);
    return n;
}
