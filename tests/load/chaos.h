/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Clients that come, start all kinds of work and are killed in the middle of it, one after the other.
 */

#include <stdint.h>
#include <sys/types.h>

#include "tests/load/networks.h"

#define CHAOS_INTERVAL_MS 50

struct chaos {
    pid_t pid; /* the process that starts and kills them */
    int stop;  /* closing it ends that */
    int count; /* says how many there were */
};

/* Before the caller opens connections: they would be inherited. */
void chaos_start(struct chaos *ret_chaos, const char *socket, const struct networks *networks,
                 uint64_t seed);
/* Returns how many clients were killed. */
unsigned chaos_stop(struct chaos *chaos);
