/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs every sample of a data set, in batches, over several lanes at once. Called by one thread; it starts its own.
 */

#include <stddef.h>

#include "base/attributes.h"
#include "base/dtype.h"
#include "client/edgectl/source.h"

struct progress;

enum {
    SWEEP_E_FAILED = 1, /* a batch could not be run; the diag says why */
};

/* x: n samples of the source's only input, of any dtype (read as port_quantize() does). ret_outputs: n values of its
 * first output. Every sample starts from the initial state. 0, -ENOMEM, SWEEP_E_FAILED. */
_nodiscard_ int sweep_run(struct source *source, enum dtype dtype, const void *x, size_t n,
                          struct progress *progress, void *ret_outputs, struct diag *diag);
/* How many items of one input and output to send at a time: enough to hide the cost of a call, below a megabyte. */
uint32_t sweep_batch(const struct source *source);
