/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to values. A number of up to 19 digits is an integer times a power of ten, which decimal.c rounds; the rest goes to
 * strtod in the C locale.
 */

#include "proto/values.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "proto/decimal.h"

#define MAX_DIGITS 19 /* any such decimal integer fits 64 bits */
#define COUNT_BLOCK 128

/* A JSON number taken apart: (negative ? -1 : 1) * digits * 10^exponent, if `exact`. */
struct number {
    uint64_t digits;
    int exponent;
    bool negative;
    bool exact;    /* no digit was dropped */
    bool integral; /* written without fraction and exponent */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Eight characters, the first in the lowest byte, each as what it stands for if it is a digit. */
static uint64_t load_digits(const char *p) {
    return load_le64(p) ^ UINT64_C(0x3030303030303030);
}

static bool are_digits(uint64_t v) {
    return !((v | (v + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080));
}

static uint64_t eight_digits(uint64_t v) {
    v = v * 10 + (v >> 8);
    return ((v & UINT64_C(0xff000000ff)) * (100 + (UINT64_C(1000000) << 32)) +
            (v >> 16 & UINT64_C(0xff000000ff)) * (1 + (UINT64_C(10000) << 32))) >>
           32;
}

/* Takes in a run of digits, for which n->digits may be too small. `end` is the end of the text. */
static const char *read_digits(const char *p, const char *end, struct number *n) {
    uint64_t digits = n->digits, v;
    while (end - p >= 8 && are_digits(v = load_digits(p))) {
        digits = digits * 100000000 + eight_digits(v);
        p += 8;
    }
    for (; is_digit(*p); p++)
        digits = digits * 10 + (uint64_t)(*p - '0');
    n->digits = digits;
    return p;
}

/* NULL where there is none. */
static const char *read_exponent(const char *p, struct number *n) {
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (!is_digit(*p))
        return NULL;
    int e = 0;
    for (; is_digit(*p); p++)
        e = e > 9999 ? e : e * 10 + (*p - '0');
    n->exponent += negative ? -e : e;
    return p;
}

/* How many digits [p, end) has from the first that is not 0. */
static size_t significant(const char *p, const char *end) {
    size_t n = 0;
    while (p < end && (*p == '0' || *p == '.'))
        p++;
    for (; p < end; p++)
        n += *p != '.';
    return n;
}

/* Reads a number as JSON's grammar has it; returns what follows it, NULL where there is none. */
static const char *read_number(const char *p, const char *end, struct number *n) {
    *n = (struct number){.negative = *p == '-', .exact = true, .integral = true};
    const char *start = p + n->negative;
    p = read_digits(start, end, n);
    if (p == start || (*start == '0' && p > start + 1))
        return NULL;
    if (*p == '.') {
        const char *point = p++;
        p = read_digits(p, end, n);
        if (p == point + 1)
            return NULL;
        n->exponent = (int)(point + 1 - p);
        n->integral = false;
    }
    if (p - start > MAX_DIGITS)
        n->exact = significant(start, p) <= MAX_DIGITS;
    if (*p == 'e' || *p == 'E') {
        n->integral = false;
        p = read_exponent(p + 1, n);
    }
    return p;
}

static locale_t c_locale;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static double to_double(const char *text, const struct number *n) {
    double d;
    if (n->exact && decimal_to_double(n->digits, n->exponent, &d))
        return n->negative ? -d : d;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    /* Without memory for a locale object the process's own is the best there is. */
    return c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
}

enum verdict { OK, NOT_A_NUMBER, OUT_OF_RANGE, FRACTION };

static enum verdict to_integer(const char *text, const struct number *n, int64_t min, int64_t max,
                               int64_t *ret) {
    if (n->integral && n->exact) {
        uint64_t limit = n->negative ? (uint64_t)0 - (uint64_t)min : (uint64_t)max;
        if (n->digits > limit)
            return OUT_OF_RANGE;
        *ret = (int64_t)(n->negative ? (uint64_t)0 - n->digits : n->digits);
        return OK;
    }
    double d = to_double(text, n);
    if (!(d >= -0x1p63 && d < 0x1p63))
        return OUT_OF_RANGE;
    int64_t v = (int64_t)d;
    /* A fraction may have been lost: among digits that were dropped, or below what a double holds. */
    if ((double)v != d || (!n->integral && !n->exact) || (d == 0 && n->digits != 0))
        return FRACTION;
    if (v < min || v > max)
        return OUT_OF_RANGE;
    *ret = v;
    return OK;
}

/* What integer types hold; empty for others. */
static const int64_t least[] = {
    [DTYPE_FP32] = 1,          [DTYPE_FP64] = 1,          [DTYPE_INT8] = INT8_MIN,
    [DTYPE_UINT8] = 0,         [DTYPE_INT16] = INT16_MIN, [DTYPE_INT32] = INT32_MIN,
    [DTYPE_INT64] = INT64_MIN, [DTYPE_BOOL] = 0,
};
static const int64_t most[] = {
    [DTYPE_FP32] = 0,          [DTYPE_FP64] = 0,          [DTYPE_INT8] = INT8_MAX,
    [DTYPE_UINT8] = UINT8_MAX, [DTYPE_INT16] = INT16_MAX, [DTYPE_INT32] = INT32_MAX,
    [DTYPE_INT64] = INT64_MAX, [DTYPE_BOOL] = 1,
};

static void put_integer(enum dtype dtype, size_t i, int64_t v, void *ret) {
    if (dtype == DTYPE_INT64)
        ((int64_t *)ret)[i] = v;
    else if (dtype == DTYPE_INT32)
        ((int32_t *)ret)[i] = (int32_t)v;
    else if (dtype == DTYPE_INT16)
        ((int16_t *)ret)[i] = (int16_t)v;
    else
        ((uint8_t *)ret)[i] = (uint8_t)v;
}

static enum verdict store_integer(const char *text, const struct number *n, enum dtype dtype,
                                  size_t i, void *ret) {
    int64_t v;
    enum verdict verdict = to_integer(text, n, least[dtype], most[dtype], &v);
    if (verdict == OK)
        put_integer(dtype, i, v, ret);
    return verdict;
}

static enum verdict store_float(const char *text, const struct number *n, enum dtype dtype,
                                size_t i, void *ret) {
    /* Fewer than 20 digits: far below the least float, and no work for whoever sends many. */
    if (dtype == DTYPE_FP32 && n->exponent < -66) {
        ((float *)ret)[i] = n->negative ? -0.0F : 0.0F;
        return OK;
    }
    double d = to_double(text, n);
    if (!isfinite(d))
        return OUT_OF_RANGE;
    if (dtype == DTYPE_FP64) {
        ((double *)ret)[i] = d;
        return OK;
    }
    float f = (float)d;
    if (!isfinite(f))
        return OUT_OF_RANGE;
    ((float *)ret)[i] = f;
    return OK;
}

/* The literals among numbers; returns what follows, NULL where it is none. */
static const char *store_literal(const char *p, enum dtype dtype, bool null_is_nan, size_t i,
                                 void *ret) {
    if (dtype == DTYPE_BOOL && strncmp(p, "true", 4) == 0) {
        ((uint8_t *)ret)[i] = 1;
        return p + 4;
    }
    if (dtype == DTYPE_BOOL && strncmp(p, "false", 5) == 0) {
        ((uint8_t *)ret)[i] = 0;
        return p + 5;
    }
    if (!null_is_nan || strncmp(p, "null", 4) != 0)
        return NULL;
    if (dtype == DTYPE_FP32)
        ((float *)ret)[i] = NAN;
    else if (dtype == DTYPE_FP64)
        ((double *)ret)[i] = (double)NAN;
    else
        return NULL;
    return p + 4;
}

static int refuse(const char *p, const char *end, size_t i, enum dtype dtype, enum verdict verdict,
                  struct diag *diag) {
    int len = 0;
    while (len < 32 && p + len < end && p[len] != ',' && !is_blank(p[len]))
        len++;
    switch (verdict) {
    case OUT_OF_RANGE:
        return diag_set(diag, VALUES_E_INVALID, "value %zu: %.*s does not fit %s", i, len, p,
                        dtype_name(dtype));
    case FRACTION:
        return diag_set(diag, VALUES_E_INVALID, "value %zu: %.*s is no integer, as %s needs", i,
                        len, p, dtype_name(dtype));
    case OK:
    case NOT_A_NUMBER:
        break;
    }
    return diag_set(diag, VALUES_E_INVALID, "value %zu: '%.*s' is no number", i, len, p);
}

size_t values_count(const char *text, size_t len) {
    const char *end = text + len;
    const char *p = text;
    while (p < end && is_blank(*p))
        p++;
    if (p == end)
        return 0;
    size_t n = 1;
    for (; end - p >= COUNT_BLOCK; p += COUNT_BLOCK) {
        uint8_t commas = 0; /* of this width the compiler counts many at once */
        for (int i = 0; i < COUNT_BLOCK; i++)
            commas = (uint8_t)(commas + (p[i] == ','));
        n += commas;
    }
    for (; p < end; p++)
        n += *p == ',';
    return n;
}

static const char *read_value(const char *p, const char *end, enum dtype dtype, bool null_is_nan,
                              size_t i, void *ret, enum verdict *ret_verdict) {
    struct number n;
    const char *after = read_number(p, end, &n);
    if (!after) {
        *ret_verdict = NOT_A_NUMBER;
        return store_literal(p, dtype, null_is_nan, i, ret);
    }
    *ret_verdict = dtype == DTYPE_FP32 || dtype == DTYPE_FP64 ? store_float(p, &n, dtype, i, ret)
                                                              : store_integer(p, &n, dtype, i, ret);
    return *ret_verdict == OK ? after : NULL;
}

/*
 * Integers of up to three digits with a comma behind, as most are, for as long as they come: without a branch that depends
 * on the number. *i counts on; returns where it stopped.
 */
static const char *read_short(const char *p, const char *end, enum dtype dtype, size_t n, size_t *i,
                              void *ret) {
    int32_t low = (int32_t)MAX(least[dtype], (int64_t)-999);
    int32_t high = (int32_t)MIN(most[dtype], (int64_t)999);
    bool real = dtype == DTYPE_FP32;
    for (; *i + 1 < n && end - p >= 8; ++*i) {
        const char *q = p + (*p == ' ');
        bool negative = *q == '-';
        q += negative;
        uint32_t v = load_le32(q) ^ 0x30303030U;
        uint32_t others = (v | (v + 0x76767676U)) & 0x80808080U;
        unsigned count = others ? (unsigned)__builtin_ctz(others) / 8 : 4;
        if (count - 1 > 2 || q[count] != ',' || (count > 1 && *q == '0'))
            break;
        v <<= 8 * (4 - count);
        int32_t value = (int32_t)((v >> 24) + 10 * (v >> 16 & 0xff) + 100 * (v >> 8 & 0xff));
        if (real) {
            ((float *)ret)[*i] = negative ? -(float)value : (float)value;
        } else {
            value = negative ? -value : value;
            if (value < low || value > high)
                break;
            put_integer(dtype, *i, value, ret);
        }
        p = q + count + 1;
    }
    return p;
}

int values_from_text(const char *text, size_t len, enum dtype dtype, bool null_is_nan, size_t n,
                     void *ret, struct diag *diag) {
    const char *end = text + len;
    const char *p = text;
    edge_assert(dtype_size(dtype));
    size_t count = values_count(text, len);
    if (count != n)
        return diag_set(diag, VALUES_E_INVALID, "%zu values where %zu are expected", count, n);
    /* Where one real number is no small integer, the others will not be either. */
    bool is_real = dtype == DTYPE_FP32 || dtype == DTYPE_FP64, try_short = true;
    for (size_t i = 0; i < n; i++) {
        if (try_short) {
            size_t before = i;
            p = read_short(p, end, dtype, n, &i, ret);
            try_short = i > before || !is_real;
        }
        while (p < end && is_blank(*p))
            p++;
        enum verdict verdict;
        const char *after = read_value(p, end, dtype, null_is_nan, i, ret, &verdict);
        if (!after)
            return refuse(p, end, i, dtype, verdict, diag);
        while (after < end && is_blank(*after))
            after++;
        bool last = i + 1 == n;
        if (last ? after != end : *after != ',')
            return refuse(p, end, i, dtype, NOT_A_NUMBER, diag);
        p = after + 1;
    }
    return 0;
}

/* What follows the literal at p; NULL where it is none. */
static const char *skip_literal(const char *p) {
    static const char *const literals[] = {"true", "false", "null"};
    for (size_t i = 0; i < ARRAY_SIZE(literals); i++)
        if (strncmp(p, literals[i], strlen(literals[i])) == 0)
            return p + strlen(literals[i]);
    return NULL;
}

bool values_text_valid(const char *text, size_t len) {
    const char *end = text + len;
    const char *p = text;
    while (p < end && is_blank(*p))
        p++;
    if (p == end)
        return true;
    for (;; p++) {
        struct number n;
        while (p < end && is_blank(*p))
            p++;
        const char *after = read_number(p, end, &n);
        p = after ? after : skip_literal(p);
        while (p && p < end && is_blank(*p))
            p++;
        if (!p || p >= end || *p != ',')
            return p == end;
    }
}
