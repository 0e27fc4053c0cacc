/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Ranges of activations, from runs on calibration data. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"
#include "compress/clip.h"

struct pass_context;

/* In the order of CALIBRATE_METHODS. */
enum calibrate_method { CALIBRATE_MINMAX, CALIBRATE_PERCENTILE, CALIBRATE_MSE, CALIBRATE_KL };
extern const char *const calibrate_methods[]; /* NULL-terminated */

struct calibrate_options {
    int method;        /* enum calibrate_method */
    double percentile; /* of CALIBRATE_PERCENTILE */
    uint32_t samples;  /* of the calibration data; 0: all */
    unsigned levels;   /* codes that a range is for */
};

/*
 * Ranges of `n` FP32 activations of context->graph. Values of 2^100 and more are fillings, not values, and do not count.
 * 0, -ENOMEM, COMPRESS_E_INVALID: no data, data of another shape, results that are no numbers.
 */
_nodiscard_ int calibrate(const struct pass_context *context, const int32_t *tensors, uint32_t n,
                          const struct calibrate_options *options, struct range *ret_ranges);
