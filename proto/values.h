/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tensor values as text: between JSON numbers or base64 and typed arrays, independent of the locale. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"

struct diag;

#define VALUES_MAX_TEXT 32 /* bytes that any single value needs, a NUL included */

enum {
    VALUES_E_INVALID = 1, /* the diag says which value and why */
};

/* How many elements the inside of a flat array has: its commas and one; 0 where it is blank. */
size_t values_count(const char *text, size_t len);

/*
 * Reads exactly n values into `ret`, n * dtype_size(dtype) bytes aligned for dtype. An integer type takes integers
 * within its range (3.0 and 1e2 are integers); FP32 takes what a double rounds to, BOOL also true and false. `null` is
 * NaN where `null_is_nan` and dtype is a float, else an error. text[len] must be readable and no digit.
 * 0, VALUES_E_INVALID.
 */
_nodiscard_ int values_from_text(const char *text, size_t len, enum dtype dtype, bool null_is_nan,
                                 size_t n, void *ret, struct diag *diag);
/* Whether the inside of a flat array is what JSON allows there: nothing, or numbers and literals. text[len] as above. */
bool values_text_valid(const char *text, size_t len);
/* The most bytes that values_to_text() writes for n values. */
size_t values_text_max(enum dtype dtype, size_t n);
/* Writes n values with commas between them; returns the length. Values that are not finite become null. */
size_t values_to_text(enum dtype dtype, const void *values, size_t n, char *ret);

/* The bytes that base64 text of this length holds at most. */
size_t values_base64_max(size_t len);
/* The bytes that padded base64 text stands for, if its characters are valid; the text is that of a JSON string, as below.
 * 0, VALUES_E_INVALID. */
_nodiscard_ int values_base64_size(const char *text, size_t len, size_t *ret_size,
                                   struct diag *diag);
/* Decodes padded base64 (RFC 4648) of at most `max` bytes. JSON's escapes `\/` and `\u00XX` are understood; the text may be
 * changed in place. 0, VALUES_E_INVALID. */
_nodiscard_ int values_from_base64(char *text, size_t len, void *ret, size_t max, size_t *ret_size,
                                   struct diag *diag);
/* The length of the base64 text of `size` bytes, without a NUL. */
size_t values_base64_len(size_t size);
/* Writes values_base64_len(size) characters and a NUL. */
void values_to_base64(const void *data, size_t size, char *ret);

/* One value; the length is returned. At most VALUES_MAX_TEXT bytes are touched. */
size_t value_write_uint(char *ret, uint64_t v);
size_t value_write_int(char *ret, int64_t v);
size_t value_write_float(char *ret, float v);
size_t value_write_double(char *ret, double v);
