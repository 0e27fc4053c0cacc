/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values to text.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "proto/decimal.h"
#include "proto/values.h"

#define DOUBLE_DIGITS 17 /* enough for any double */
/* A float of which the first digit stands for 10^e is written without an exponent for these e, as printf's %.9g does. */
#define FIXED_MIN (-4)
#define FIXED_MAX 8
#define INTEGER_MAX 16777216.0F /* integers below it are written as they are */

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* Writes v < 100 as two digits. */
static void write_pair(char *ret, uint32_t v) {
    memcpy(ret, pairs + 2 * v, 2);
}

/* Writes v as ten digits. */
static void write_ten(char *ret, uint32_t v) {
    uint32_t high = v / 10000, top = high / 10000, low = v % 10000;
    high %= 10000;
    write_pair(ret, top);
    write_pair(ret + 2, high / 100);
    write_pair(ret + 4, high % 100);
    write_pair(ret + 6, low / 100);
    write_pair(ret + 8, low % 100);
}

static unsigned count_digits(uint32_t v) {
    static const uint32_t powers[] = {0,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    /* By the bits, log10(2) = 1233 / 4096; one less where the power is not reached. */
    unsigned n = (32 - (unsigned)__builtin_clz(v | 1)) * 1233 >> 12;
    return n + (v >= powers[n]);
}

static size_t write_uint32(char *ret, uint32_t v) {
    char ten[20]; /* copied in one piece, whatever the length */
    unsigned n = count_digits(v);
    write_ten(ten, v);
    memcpy(ret, ten + 10 - n, 10);
    return n;
}

size_t value_write_uint(char *ret, uint64_t v) {
    char reversed[20];
    size_t n = 0;
    if (v <= UINT32_MAX)
        return write_uint32(ret, (uint32_t)v);
    for (; v; v /= 10)
        reversed[n++] = (char)('0' + v % 10);
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
static size_t write_printf(char *ret, double v) {
    char text[VALUES_MAX_TEXT * 2];
    snprintf(text, sizeof(text), "%.*g", DOUBLE_DIGITS, v);
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == 'e')
            ret[n++] = *p;
        else if (n && ret[n - 1] != '.')
            ret[n++] = '.';
    }
    return n;
}

/* All copies are of fixed size: too much is written over or cut off, and nothing depends on the number of digits. The
 * first of `digits` stands for 10^e. */
static size_t write_scientific(char *ret, const char digits[10], unsigned n, int e) {
    ret[0] = digits[0];
    ret[1] = '.';
    memcpy(ret + 2, digits + 1, 9);
    char *at = ret + (n > 1 ? n + 1 : 1);
    at[0] = 'e';
    at[1] = e < 0 ? '-' : '+';
    write_pair(at + 2, (unsigned)(e < 0 ? -e : e));
    return (size_t)(at + 4 - ret);
}

static size_t write_decimal(char *ret, struct decimal v) {
    char ten[20];
    unsigned n = count_digits(v.digits);
    const char *digits = ten + 10 - n;
    int e = (int)n - 1 + v.exponent;
    write_ten(ten, v.digits);
    memset(ten + 10, '0', 10);
    if (e < FIXED_MIN || e > FIXED_MAX)
        return write_scientific(ret, digits, n, e);
    if (e < 0) {
        memcpy(ret, "0.000", 5);
        memcpy(ret + 1 - e, digits, 10);
        return n + (unsigned)(1 - e);
    }
    unsigned whole = (unsigned)e + 1;
    memcpy(ret, digits, 10);
    if (whole >= n)
        return whole;
    ret[whole] = '.';
    memcpy(ret + whole + 1, digits + whole, 10);
    return n + 1;
}

size_t value_write_float(char *ret, float v) {
    if (!isfinite(v))
        return write_null(ret);
    size_t sign = signbit(v) != 0;
    ret[0] = '-';
    v = fabsf(v);
    if (v < INTEGER_MAX && (float)(uint32_t)v == v)
        return sign + write_uint32(ret + sign, (uint32_t)v);
    return sign + write_decimal(ret + sign, decimal_of_float(v));
}

size_t value_write_double(char *ret, double v) {
    return isfinite(v) ? write_printf(ret, v) : write_null(ret);
}

size_t values_text_max(enum dtype dtype, size_t n) {
    static const uint8_t widths[] = {
        [DTYPE_FP32] = 16,  [DTYPE_INT8] = 5,   [DTYPE_UINT8] = 4, [DTYPE_INT16] = 7,
        [DTYPE_INT32] = 12, [DTYPE_INT64] = 21, [DTYPE_BOOL] = 2,  [DTYPE_FP64] = 25,
    };
    /* Whole values are touched at the end. */
    return n * widths[dtype] + VALUES_MAX_TEXT;
}

/* Bytes with commas behind them, as a word each of which the leading zeros are shifted out. */
static size_t write_bytes(char *ret, const uint8_t *values, size_t n, bool is_signed) {
    char *at = ret;
    for (size_t i = 0; i < n; i++) {
        unsigned v = values[i];
        bool negative = is_signed && v >= 128;
        v = negative ? 256 - v : v;
        *at = '-';
        at += negative;
        unsigned hundreds = v / 100, tens = v / 10 % 10, ones = v % 10;
        uint32_t digits = hundreds | tens << 8 | ones << 16;
        uint32_t word = digits + ('0' | '0' << 8 | '0' << 16) + ((uint32_t)',' << 24);
        unsigned zeros = (v < 10) + (v < 100);
        store_le32(at, word >> 8 * zeros);
        at += 4 - zeros;
    }
    return (size_t)(at - ret);
}

static size_t write_floats(char *ret, const float *values, size_t n) {
    char *at = ret;
    for (size_t i = 0; i < n; i++) {
        at += value_write_float(at, values[i]);
        *at++ = ',';
    }
    return (size_t)(at - ret);
}

static size_t write_value(char *ret, enum dtype dtype, const void *values, size_t i) {
    switch (dtype) {
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
    case DTYPE_FP32:
    case DTYPE_INT8:
    case DTYPE_UINT8:
    case DTYPE_INT4: /* in networks only */
    case DTYPE_NONE:
        break;
    }
    edge_assert(false);
}

static size_t write_others(char *ret, enum dtype dtype, const void *values, size_t n) {
    char *at = ret;
    for (size_t i = 0; i < n; i++) {
        at += write_value(at, dtype, values, i);
        *at++ = ',';
    }
    return (size_t)(at - ret);
}

size_t values_to_text(enum dtype dtype, const void *values, size_t n, char *ret) {
    size_t len;
    if (dtype == DTYPE_FP32)
        len = write_floats(ret, values, n);
    else if (dtype == DTYPE_INT8 || dtype == DTYPE_UINT8)
        len = write_bytes(ret, values, n, dtype == DTYPE_INT8);
    else
        len = write_others(ret, dtype, values, n);
    return len ? len - 1 : 0; /* without the last comma */
}
