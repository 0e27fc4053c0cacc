/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to values. Nearly all numbers on the wire have few digits and a small exponent: such a one is an integer below
 * 2^53 times or over an exact power of ten, and one division rounds it correctly. The rest goes to strtod in the C
 * locale.
 */

#include "proto/values.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"

#define EXACT_DIGITS 15 /* any such decimal integer is exact in a double */
#define EXACT_POWER 22  /* so are powers of ten up to here */

static const double powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

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

/* Takes in a run of digits; NULL where there is none. */
static const char *read_digits(const char *p, struct number *n, bool fraction) {
    if (!is_digit(*p))
        return NULL;
    for (; is_digit(*p); p++) {
        if (n->digits > (UINT64_MAX - 9) / 10) {
            n->exact = false;
            continue;
        }
        n->digits = n->digits * 10 + (uint64_t)(*p - '0');
        n->exponent -= fraction;
    }
    return p;
}

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

/* Reads a number as JSON's grammar has it; returns what follows it, NULL where there is none. */
static const char *read_number(const char *p, struct number *n) {
    *n = (struct number){.exact = true, .integral = true};
    if (*p == '-') {
        n->negative = true;
        p++;
    }
    if (*p == '0' && is_digit(p[1]))
        return NULL;
    p = read_digits(p, n, false);
    if (p && *p == '.') {
        n->integral = false;
        p = read_digits(p + 1, n, true);
    }
    if (p && (*p == 'e' || *p == 'E')) {
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
    double limit = powers[EXACT_DIGITS];
    double d = (double)n->digits;
    if (n->exact && d < limit && n->exponent >= -EXACT_POWER && n->exponent <= EXACT_POWER) {
        d = n->exponent < 0 ? d / powers[-n->exponent] : d * powers[n->exponent];
        return n->negative ? -d : d;
    }
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
    if ((double)v != d)
        return FRACTION;
    if (v < min || v > max)
        return OUT_OF_RANGE;
    *ret = v;
    return OK;
}

static enum verdict store_integer(const char *text, const struct number *n, enum dtype dtype,
                                  size_t i, void *ret) {
    static const int64_t min[] = {
        [DTYPE_INT8] = INT8_MIN,   [DTYPE_UINT8] = 0,         [DTYPE_INT16] = INT16_MIN,
        [DTYPE_INT32] = INT32_MIN, [DTYPE_INT64] = INT64_MIN, [DTYPE_BOOL] = 0,
    };
    static const int64_t max[] = {
        [DTYPE_INT8] = INT8_MAX,   [DTYPE_UINT8] = UINT8_MAX, [DTYPE_INT16] = INT16_MAX,
        [DTYPE_INT32] = INT32_MAX, [DTYPE_INT64] = INT64_MAX, [DTYPE_BOOL] = 1,
    };
    int64_t v;
    enum verdict verdict = to_integer(text, n, min[dtype], max[dtype], &v);
    if (verdict != OK)
        return verdict;
    if (dtype == DTYPE_INT64)
        ((int64_t *)ret)[i] = v;
    else if (dtype == DTYPE_INT32)
        ((int32_t *)ret)[i] = (int32_t)v;
    else if (dtype == DTYPE_INT16)
        ((int16_t *)ret)[i] = (int16_t)v;
    else
        ((uint8_t *)ret)[i] = (uint8_t)v;
    return OK;
}

static enum verdict store_float(const char *text, const struct number *n, enum dtype dtype,
                                size_t i, void *ret) {
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
    for (; p < end; p++)
        n += *p == ',';
    return n;
}

static const char *read_value(const char *p, enum dtype dtype, bool null_is_nan, size_t i,
                              void *ret, enum verdict *ret_verdict) {
    struct number n;
    const char *after = read_number(p, &n);
    if (!after) {
        *ret_verdict = NOT_A_NUMBER;
        return store_literal(p, dtype, null_is_nan, i, ret);
    }
    *ret_verdict = dtype == DTYPE_FP32 || dtype == DTYPE_FP64 ? store_float(p, &n, dtype, i, ret)
                                                              : store_integer(p, &n, dtype, i, ret);
    return *ret_verdict == OK ? after : NULL;
}

int values_from_text(const char *text, size_t len, enum dtype dtype, bool null_is_nan, size_t n,
                     void *ret, struct diag *diag) {
    const char *end = text + len;
    const char *p = text;
    edge_assert(dtype_size(dtype));
    size_t count = values_count(text, len);
    if (count != n)
        return diag_set(diag, VALUES_E_INVALID, "%zu values where %zu are expected", count, n);
    for (size_t i = 0; i < n; i++) {
        while (p < end && is_blank(*p))
            p++;
        enum verdict verdict;
        const char *after = read_value(p, dtype, null_is_nan, i, ret, &verdict);
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

size_t values_base64_max(size_t len) {
    return len / 4 * 3 + 3;
}

static int hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character of a JSON string, of those that base64 has: some writers escape every slash, others all but letters and
 * digits. Another escape is left as its backslash, which base64 does not have. */
static char read_char(const char **p, const char *end) {
    const char *q = *p;
    char c = *(*p)++;
    if (c != '\\')
        return c;
    if (end - q >= 2 && q[1] == '/') {
        *p = q + 2;
        return '/';
    }
    if (end - q < 6 || q[1] != 'u' || q[2] != '0' || q[3] != '0' || hex_digit(q[4]) < 0 ||
        hex_digit(q[5]) < 0)
        return c;
    *p = q + 6;
    return (char)(hex_digit(q[4]) * 16 + hex_digit(q[5]));
}

static size_t unescape(char *text, size_t len) {
    if (!memchr(text, '\\', len))
        return len;
    size_t n = 0;
    for (const char *p = text, *end = text + len; p < end;)
        text[n++] = read_char(&p, end);
    return n;
}

static int check_length(size_t n, struct diag *diag) {
    if (n % 4 == 0)
        return 0;
    return diag_set(diag, VALUES_E_INVALID,
                    "no valid base64: its length %zu is not a multiple of 4", n);
}

int values_base64_size(const char *text, size_t len, size_t *ret_size, struct diag *diag) {
    size_t n = 0, pad = 0;
    if (memchr(text, '\\', len)) {
        for (const char *p = text, *end = text + len; p < end; n++)
            pad = read_char(&p, end) == '=' ? pad + 1 : 0;
    } else {
        n = len;
        while (pad < n && text[n - 1 - pad] == '=')
            pad++;
    }
    int r = check_length(n, diag);
    if (r)
        return r;
    if (pad > 2)
        return diag_set(diag, VALUES_E_INVALID, "no valid base64: it ends with %zu times '='", pad);
    *ret_size = n / 4 * 3 - pad;
    return 0;
}

int values_from_base64(char *text, size_t len, void *ret, size_t max, size_t *ret_size,
                       struct diag *diag) {
    len = unescape(text, len);
    const char *end;
    int r = check_length(len, diag);
    if (r)
        return r;
    size_t size;
    if (sodium_base642bin(ret, max, text, len, NULL, &size, &end, sodium_base64_VARIANT_ORIGINAL) <
            0 ||
        end != text + len) {
        if (len / 4 * 3 > max + 2)
            return diag_set(diag, VALUES_E_INVALID,
                            "%zu characters of base64 where %zu bytes are expected", len, max);
        return diag_set(diag, VALUES_E_INVALID, "no valid base64 of at most %zu bytes", max);
    }
    *ret_size = size;
    return 0;
}

size_t values_base64_len(size_t size) {
    return (size + 2) / 3 * 4;
}

void values_to_base64(const void *data, size_t size, char *ret) {
    sodium_bin2base64(ret, values_base64_len(size) + 1, data, size, sodium_base64_VARIANT_ORIGINAL);
}
