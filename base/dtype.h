/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Element types of tensors, with the Open Inference Protocol's names. Values are stored in `.edge` files: never reuse
 * one.
 */

#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_NONE = 0,
    DTYPE_FP32 = 1,
    DTYPE_INT8 = 2,
    DTYPE_UINT8 = 3,
    DTYPE_INT16 = 4,
    DTYPE_INT32 = 5,
    DTYPE_INT64 = 6,
    DTYPE_BOOL = 7,
    DTYPE_FP64 = 8,
    /* Signed, two to a byte, the first in the low four bits. Only weights of a network are of this type. */
    DTYPE_INT4 = 9,
};

/* Bytes per element; 0 for INT4, which has no whole ones, and for anything that is not a dtype. */
static inline size_t dtype_size(enum dtype t) {
    static const uint8_t sizes[] = {0, 4, 1, 1, 2, 4, 8, 1, 8};
    return (unsigned)t < sizeof(sizes) ? sizes[t] : 0;
}

/* Bytes of n elements one after the other; 0 for anything that is not a dtype. */
static inline size_t dtype_bytes(enum dtype t, size_t n) {
    return t == DTYPE_INT4 ? n / 2 + n % 2 : n * dtype_size(t);
}

/* "FP32" …; NULL for anything that is not a dtype. */
static inline const char *dtype_name(enum dtype t) {
    static const char *const names[] = {NULL,    "FP32",  "INT8", "UINT8", "INT16",
                                        "INT32", "INT64", "BOOL", "FP64",  "INT4"};
    return (unsigned)t < sizeof(names) / sizeof(names[0]) ? names[t] : NULL;
}

/* The dtype of that name; DTYPE_NONE for an unknown one, and for INT4: values outside a network have whole bytes. */
enum dtype dtype_parse(const char *name);
