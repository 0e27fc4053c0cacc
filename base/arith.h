/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Checked arithmetic for sizes that come from outside. Each returns false on overflow and then leaves *ret alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

static inline _nodiscard_ bool size_add(size_t a, size_t b, size_t *ret) {
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *ret = r;
    return true;
}

static inline _nodiscard_ bool size_mul(size_t a, size_t b, size_t *ret) {
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *ret = r;
    return true;
}

/* Rounds up to a multiple of `to`, a power of two. */
static inline _nodiscard_ bool size_align(size_t a, size_t to, size_t *ret) {
    size_t r;
    if (__builtin_add_overflow(a, to - 1, &r))
        return false;
    *ret = r & ~(to - 1);
    return true;
}

/* For sizes already known to be far from the limit. */
#define ALIGN_UP(a, to) (((a) + ((to)-1)) & ~(size_t)((to)-1))

/* True where [offset, offset + size) lies within [0, limit). */
static inline bool range_within(uint64_t offset, uint64_t size, uint64_t limit) {
    return offset <= limit && size <= limit - offset;
}

/* For qsort(): ascending. */
static inline int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
