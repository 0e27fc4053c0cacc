/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Static int8 for the passes that make it. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/pass.h"
#include "compress/rounding.h"

enum { QUANTIZE_TENSOR, QUANTIZE_CHANNEL };
enum { QUANTIZE_IO_INT8, QUANTIZE_IO_FLOAT };

struct quantize_options {
    struct pass_scope scope;
    int calibration; /* enum calibrate_method */
    double percentile;
    int granularity;
    bool bias_correction;
    struct rounding_options rounding;
    int io;
    /* Not options of the pass `quantize`: activations in fixed point with that many bits, scales powers of two and zero
     * at zero (0: affine with 8 bits); scales of the layers' weights, in place of `granularity` and `rounding.weights`. */
    uint32_t fixed_bits;
    const float *scales;
};

/* Makes these float layers, and what lies between them, int8. `layers` are those of context->graph, in which activations
 * are fused already (quantize_fuse_activations()). 0, -ENOMEM, COMPRESS_E_INVALID. */
_nodiscard_ int quantize_layers(struct pass_context *context, struct layers *layers,
                                const struct quantize_options *options);
/* Gives operators that clamp (RELU …) to the one before, where nobody else reads its result: exact. -ENOMEM. */
_nodiscard_ int quantize_fuse_activations(struct graph *graph);
