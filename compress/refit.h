/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Makes up in later layers for what a change of a network lost in earlier ones: layer by layer, in execution order, the
 * weights become those with which the layer, reading what it reads in the changed network, computes best what it did in
 * the original (least squares on calibration data; He, Zhang, Sun: Channel Pruning for Accelerating Very Deep Neural
 * Networks, ICCV 2017, section 3). Weights that are zero stay zero. One thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct graph;
struct pass_context;

/* Which channels of the original's layer of that name the changed layer has, ascending; NULL: all. */
typedef const uint32_t *(*refit_channels_fn)(void *arg, const char *layer);

/*
 * For every layer of the context's network with float weights and a layer of its name in the original, over n_samples
 * samples (all: 0). `channels` may be NULL. 0, -ENOMEM, COMPRESS_E_INVALID.
 */
_nodiscard_ int refit_network(struct pass_context *context, struct graph *original,
                              size_t n_samples, double damping, refit_channels_fn channels,
                              void *arg);
