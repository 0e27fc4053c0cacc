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
#include "compress/pass.h"

struct graph;
struct pass_context;

/* The last rows of a table of a pass that fits weights to calibration data; `type` is its options, with the members
 * `damping` and `samples`. */
#define REFIT_FIELDS(type)                                                                         \
    {.name = "damping",                                                                            \
     .kind = FIELD_NUMBER,                                                                         \
     .offset = offsetof(type, damping),                                                            \
     .min = 0,                                                                                     \
     .max = 1,                                                                                     \
     .value = 0.001,                                                                               \
     .help = "added to the diagonal of the inputs' matrix, relative to its mean"},                 \
    {                                                                                              \
        .name = "samples", .kind = FIELD_COUNT, .offset = offsetof(type, samples), .min = 1,       \
        .max = UINT32_MAX, .value = 512,                                                           \
        .help = "calibration samples to look at, spread evenly over the data"                      \
    }

/* Which channels of the original's layer of that name the changed layer has, ascending; NULL: all. */
typedef const uint32_t *(*refit_channels_fn)(void *arg, const char *layer);

/*
 * For every layer of the context's network with float weights and a layer of its name in the original, over n_samples
 * samples (all: 0). `channels` may be NULL. 0, -ENOMEM, COMPRESS_E_INVALID.
 */
_nodiscard_ int refit_network(struct pass_context *context, struct graph *original,
                              size_t n_samples, double damping, refit_channels_fn channels,
                              void *arg);
