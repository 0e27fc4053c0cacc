/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the container's writer: the different values of an array and where each occurs. Owned by its caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct codebook {
    uint8_t *values; /* ascending as unsigned little-endian integers, `width` bytes each */
    uint32_t n_values;
    uint8_t *low, *high; /* per element: its value's index, low and high byte */
};

/* 0, MODEL_E_UNSUPPORTED where there are more than CODED_MAX_VALUES values, -ENOMEM. */
_nodiscard_ int codebook_init(struct codebook *ret, const uint8_t *data, size_t n, unsigned width);
void codebook_deinit(struct codebook *book);
