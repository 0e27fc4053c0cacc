/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs every sample of a data set, in batches, over several lanes at once: one thread and one lane each. Whatever runs
 * the network, an image or a daemon, is behind three functions. Called by one thread; it starts its own.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct dataset;
struct diag;
struct port;

#define SWEEP_MAX_LANES 16

struct sweep_network {
    const struct port *input, *outputs; /* one input; of the outputs the first is kept */
    uint32_t n_outputs, max_batch;
    /* Each lane is used by one thread. Non-zero: the diag says why. Every item starts from the initial state. */
    int (*lane_new)(void *arg, void **ret_lane, struct diag *diag);
    int (*lane_run)(void *lane, uint32_t batch, const void *const *inputs, void *const *outputs,
                    struct diag *diag);
    void (*lane_free)(void *lane);
    void *arg;
};

/* On the caller's thread, several times a second. */
typedef void (*sweep_progress_fn)(void *arg, size_t done);

/* How many items of so many bytes, inputs and outputs, to send at a time: enough to hide the cost of a call, below a
 * megabyte. */
uint32_t sweep_batch_of(size_t bytes_per_item, uint32_t max_batch);
/*
 * ret_outputs: data->n values of the first output. The data set fits the network. `threads` is how many at most, 0: as
 * many as this process may use. `progress` may be NULL. 0, a negative errno, COMPRESS_E_INVALID where a lane failed.
 */
_nodiscard_ int sweep_dataset(const struct sweep_network *network, const struct dataset *data,
                              unsigned threads, sweep_progress_fn progress, void *arg,
                              void *ret_outputs, struct diag *diag);
