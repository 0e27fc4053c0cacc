/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice among the roundings.
 */

#include "compress/rounding.h"

#include "base/error.h"
#include "compress/adaround.h"
#include "compress/compress.h"
#include "compress/grid.h"
#include "compress/moments.h"

int rounding_prepare(const struct pass_context *context, const struct layers *layers,
                     const struct rounding_options *options, struct moments **ret_moments) {
    if (options->rounding == GRID_ADAPTIVE)
        return moments_collect(context, layers, options->samples, MOMENTS_GRAM, ret_moments);
    *ret_moments = NULL;
    return 0;
}

int rounding_apply(struct pass_context *context, struct grid *grid,
                   const struct rounding_options *options, const struct moments *moments) {
    switch ((enum grid_rounding)options->rounding) {
    case GRID_NEAREST:
        grid_round_nearest(grid);
        break;
    case GRID_STOCHASTIC:
        grid_round_stochastic(grid, &context->random);
        break;
    case GRID_ADAPTIVE:
        return adaround(grid, moments, options->iterations, context->diag);
    }
    return 0;
}
