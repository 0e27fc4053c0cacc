/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How passes put the weights of layers on grids: scales and codes by the options they share. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"

struct grid;
struct layers;
struct moments;
struct pass_context;

struct rounding_options {
    int weights;         /* enum grid_range */
    int rounding;        /* enum grid_rounding */
    uint32_t iterations; /* of GRID_ADAPTIVE */
    uint32_t samples;    /* of the calibration data, for GRID_ADAPTIVE */
};

/* Rows of a table of options for `type`, whose member `member` is a struct rounding_options; `range` is the default of `weights`.
 */
#define ROUNDING_FIELDS(type, member, range)                                                       \
    {"weights",                                                                                    \
     FIELD_CHOICE,                                                                                 \
     offsetof(struct type, member.weights),                                                        \
     0,                                                                                            \
     0,                                                                                            \
     GRID_MSE,                                                                                     \
     grid_ranges,                                                                                  \
     "scales of weights: max (none is clipped), mse (least squared error)"},                       \
        {"rounding",                                                                               \
         FIELD_CHOICE,                                                                             \
         offsetof(struct type, member.rounding),                                                   \
         0,                                                                                        \
         0,                                                                                        \
         GRID_NEAREST,                                                                             \
         grid_roundings,                                                                           \
         "of weights: nearest, stochastic (up or down by chance, right on average), adaptive "     \
         "(AdaRound: so that results of the layer on calibration data stay near)"},                \
        {"iterations",                                                                             \
         FIELD_COUNT,                                                                              \
         offsetof(struct type, member.iterations),                                                 \
         1,                                                                                        \
         100000,                                                                                   \
         500,                                                                                      \
         NULL,                                                                                     \
         "of adaptive rounding"},                                                                  \
    {                                                                                              \
        "samples", FIELD_COUNT, offsetof(struct type, member.samples), 1, 1e6, 512, NULL,          \
            "of the calibration data, spread evenly over it"                                       \
    }

/* What the rounding has to know of the layers' inputs: an element for each, NULL where it needs nothing; moments_free()
 * it. What moments_collect() gives. */
_nodiscard_ int rounding_prepare(const struct pass_context *context, const struct layers *layers,
                                 const struct rounding_options *options,
                                 struct moments **ret_moments);
/* Codes at the grid's scales. `moments`: of this layer, or NULL as above. 0, -ENOMEM, COMPRESS_E_INVALID. */
_nodiscard_ int rounding_apply(struct pass_context *context, struct grid *grid,
                               const struct rounding_options *options,
                               const struct moments *moments);
