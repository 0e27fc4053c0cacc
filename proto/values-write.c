/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values to text.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "proto/values.h"

#define FLOAT_DIGITS 9   /* enough for any float */
#define DOUBLE_DIGITS 17 /* enough for any double */

size_t value_write_uint(char *ret, uint64_t v) {
    char reversed[20];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    for (size_t i = 0; i < n; i++)
        ret[i] = reversed[n - 1 - i];
    return n;
}

size_t value_write_int(char *ret, int64_t v) {
    if (v >= 0)
        return value_write_uint(ret, (uint64_t)v);
    ret[0] = '-';
    return 1 + value_write_uint(ret + 1, (uint64_t)0 - (uint64_t)v);
}

static size_t write_null(char *ret) {
    memcpy(ret, "null", 4);
    return 4;
}

/* printf knows the locale: its decimal point may be anything but a sign, a digit or an 'e', and longer than one byte. */
static size_t write_printf(char *ret, int digits, double v) {
    char text[VALUES_MAX_TEXT * 2];
    snprintf(text, sizeof(text), "%.*g", digits, v);
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == 'e')
            ret[n++] = *p;
        else if (n && ret[n - 1] != '.')
            ret[n++] = '.';
    }
    return n;
}

/* digits / 10^decimals without trailing zeros, decimals > 0. */
static size_t write_fixed(char *ret, uint64_t digits, unsigned decimals) {
    while (decimals && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    uint64_t power = 1;
    for (unsigned i = 0; i < decimals; i++)
        power *= 10;
    size_t n = value_write_uint(ret, digits / power);
    if (!decimals)
        return n;
    ret[n++] = '.';
    uint64_t rest = digits % power;
    for (unsigned i = 0; i < decimals; i++) {
        power /= 10;
        ret[n++] = (char)('0' + rest / power % 10);
    }
    return n;
}

/*
 * Numbers of ordinary size: try six decimal digits, then one more until the text reads back as the same float. Both
 * `digits` and the power of ten are exact doubles, so the division is what a reader computes.
 */
static size_t write_shortest(char *ret, float v) {
    static const double powers[] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                    1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
    double d = (double)v;
    unsigned whole = 0;
    while (whole < FLOAT_DIGITS && d >= powers[whole])
        whole++;
    for (unsigned digits = 6; digits <= FLOAT_DIGITS; digits++) {
        unsigned decimals = digits > whole ? digits - whole : 0;
        /* Zeros after the point do not count as digits. */
        for (unsigned lead = 1; whole == 0 && lead < 4 && d < 1 / powers[lead]; lead++)
            decimals++;
        double scaled = rint(d * powers[decimals]);
        if ((float)(scaled / powers[decimals]) == v)
            return write_fixed(ret, (uint64_t)scaled, decimals);
    }
    return 0;
}

size_t value_write_float(char *ret, float v) {
    if (!isfinite(v))
        return write_null(ret);
    float a = fabsf(v);
    if (a >= 1e-3F && a < 1e9F) {
        size_t sign = v < 0;
        ret[0] = '-';
        size_t n = write_shortest(ret + sign, a);
        if (n)
            return n + sign;
    }
    if (v == 0 && !signbit(v)) {
        ret[0] = '0';
        return 1;
    }
    return write_printf(ret, FLOAT_DIGITS, (double)v);
}

size_t value_write_double(char *ret, double v) {
    return isfinite(v) ? write_printf(ret, DOUBLE_DIGITS, v) : write_null(ret);
}

size_t values_text_max(enum dtype dtype, size_t n) {
    static const uint8_t widths[] = {
        [DTYPE_FP32] = 16,  [DTYPE_INT8] = 5,   [DTYPE_UINT8] = 4, [DTYPE_INT16] = 7,
        [DTYPE_INT32] = 12, [DTYPE_INT64] = 21, [DTYPE_BOOL] = 2,  [DTYPE_FP64] = 25,
    };
    /* Whole values are touched at the end. */
    return n * widths[dtype] + VALUES_MAX_TEXT;
}

static size_t write_value(char *ret, enum dtype dtype, const void *values, size_t i) {
    switch (dtype) {
    case DTYPE_FP32:
        return value_write_float(ret, ((const float *)values)[i]);
    case DTYPE_INT8:
        return value_write_int(ret, ((const int8_t *)values)[i]);
    case DTYPE_UINT8:
        return value_write_uint(ret, ((const uint8_t *)values)[i]);
    case DTYPE_INT16:
        return value_write_int(ret, ((const int16_t *)values)[i]);
    case DTYPE_INT32:
        return value_write_int(ret, ((const int32_t *)values)[i]);
    case DTYPE_INT64:
        return value_write_int(ret, ((const int64_t *)values)[i]);
    case DTYPE_BOOL:
        return value_write_uint(ret, ((const uint8_t *)values)[i] != 0);
    case DTYPE_FP64:
        return value_write_double(ret, ((const double *)values)[i]);
    case DTYPE_NONE:
        break;
    }
    edge_assert(false);
}

size_t values_to_text(enum dtype dtype, const void *values, size_t n, char *ret) {
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (i)
            ret[len++] = ',';
        len += write_value(ret + len, dtype, values, i);
    }
    return len;
}
