/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One connection of the stress test: it sends calls of every kind as fast as the socket takes them, without waiting for
 * replies, and checks each reply against what the runtime gives in this process. One thread; never blocks after its
 * start.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "base/random.h"
#include "proto/tensor.h"
#include "tests/load/caller.h"
#include "tests/load/networks.h"

struct call; /* one that was sent and what must come back */

struct connection {
    struct caller caller; /* its socket, replies and descriptors */
    const struct networks *networks;
    struct random random;

    /* A session at the daemon's and the same in this process. */
    const struct network *streaming; /* NULL: no network has state */
    struct session *session;
    char session_name[64];

    char in_region[64], out_region[64]; /* networks->inputs; and where outputs go */
    struct map out;
    size_t slot_size, n_slots, slots_used; /* one for each call that wants its outputs there */

    struct call *calls;
    size_t n_calls, n_written, n_done; /* calls: all, put into `burst` so far, answered */

    struct buffer burst; /* goes out next: one call with descriptors, or several without */
    size_t n_sent;       /* bytes of it */
    int fds[2];          /* of the call in it */
    size_t n_fds;
    bool fd_is_ours; /* fds[0] is closed when sent */
    bool throttled;  /* the kernel takes no more descriptors before others have arrived */

    size_t n_items;                               /* answered, of batches too */
    size_t in_forms[4], out_forms[4], in_session; /* calls */
};

/* Connects, registers its regions, opens its session. `seed` decides everything it does. */
void connection_start(struct connection *c, const char *socket, const struct networks *networks,
                      uint64_t seed, size_t n_calls);
/* Frees everything; replies that are missing are not missed. */
void connection_close(struct connection *c);

/* What to poll() its socket for. */
short connection_events(const struct connection *c);
/* Sends and receives what can be without blocking. */
void connection_step(struct connection *c, short revents);
bool connection_done(const struct connection *c);
