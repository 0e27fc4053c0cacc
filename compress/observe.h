/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs a network on calibration data and shows the values of tensors inside it.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "kernels/cpu.h"

struct dataset;
struct diag;
struct graph;

/* tensors[which] of one sample. A negative return ends the run. */
typedef int (*observe_fn)(void *arg, uint32_t which, const float *values, size_t n);

/*
 * Calls `fn` for `n_samples` samples (all: 0), in order, spread evenly over the data, which may be sorted by class, and
 * each of the `n` tensors of the network, which are
 * activations, its input included; integers come as real values. Everything runs on the calling thread.
 * 0, -ENOMEM, what `fn` returned, COMPRESS_E_INVALID.
 */
_nodiscard_ int observe(const struct graph *graph, const int32_t *tensors, uint32_t n,
                        const struct dataset *data, size_t n_samples, enum tier tier, observe_fn fn,
                        void *arg, struct diag *diag);
