/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between binary floating point and decimal digits: correctly rounded one way, shortest the other. Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

/* The double nearest to digits * 10^exponent, ties to even. False where that is not found quickly: far from 1, subnormal,
 * or half way between two doubles as far as can be seen. Then strtod() has to say. */
bool decimal_to_double(uint64_t digits, int exponent, double *ret);

struct decimal {
    uint32_t digits; /* at most 9 digits; the last is no 0, but for 0 itself */
    int exponent;
};

/* Of the shortest digits * 10^exponent that read back as `v`, the nearest to it. `v` is finite and above 0. */
struct decimal decimal_of_float(float v);
