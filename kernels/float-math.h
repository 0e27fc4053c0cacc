/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Float functions as the reference defines them.
 */

#include <math.h>

/* From the upper bound on the result rounds to 1; below the lower one exp(x) is exact enough. */
#define LOGISTIC_UPPER 16.619047164916992F
#define LOGISTIC_LOWER -9.0F

static inline float logistic_f32(float x) {
    if (x > LOGISTIC_UPPER)
        return 1;
    if (x < LOGISTIC_LOWER)
        return expf(x);
    return 1 / (1 + expf(-x));
}
