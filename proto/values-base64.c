/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64, which carries tensors: a table each way, no branch within a group.
 */

#include <string.h>

#include "base/error.h"
#include "proto/values.h"

#define BAD 0x80

/* What a character stands for. */
static const uint8_t sextets[256] = {
    [0 ... '*'] = BAD, ['+'] = 62, [',' ... '.'] = BAD, ['/'] = 63, ['0'] = 52, ['1'] = 53,
    ['2'] = 54,        ['3'] = 55, ['4'] = 56,          ['5'] = 57, ['6'] = 58, ['7'] = 59,
    ['8'] = 60,        ['9'] = 61, [':' ... '@'] = BAD, ['A'] = 0,  ['B'] = 1,  ['C'] = 2,
    ['D'] = 3,         ['E'] = 4,  ['F'] = 5,           ['G'] = 6,  ['H'] = 7,  ['I'] = 8,
    ['J'] = 9,         ['K'] = 10, ['L'] = 11,          ['M'] = 12, ['N'] = 13, ['O'] = 14,
    ['P'] = 15,        ['Q'] = 16, ['R'] = 17,          ['S'] = 18, ['T'] = 19, ['U'] = 20,
    ['V'] = 21,        ['W'] = 22, ['X'] = 23,          ['Y'] = 24, ['Z'] = 25, ['[' ... '`'] = BAD,
    ['a'] = 26,        ['b'] = 27, ['c'] = 28,          ['d'] = 29, ['e'] = 30, ['f'] = 31,
    ['g'] = 32,        ['h'] = 33, ['i'] = 34,          ['j'] = 35, ['k'] = 36, ['l'] = 37,
    ['m'] = 38,        ['n'] = 39, ['o'] = 40,          ['p'] = 41, ['q'] = 42, ['r'] = 43,
    ['s'] = 44,        ['t'] = 45, ['u'] = 46,          ['v'] = 47, ['w'] = 48, ['x'] = 49,
    ['y'] = 50,        ['z'] = 51, ['{' ... 255] = BAD,
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t values_base64_max(size_t len) {
    return len / 4 * 3 + 3;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
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

/* Whole groups of four characters; false where one is no base64. */
static bool decode_groups(const char *text, size_t n, uint8_t *ret) {
    const uint8_t *c = (const uint8_t *)text;
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++, c += 4, ret += 3) {
        unsigned a = sextets[c[0]], b = sextets[c[1]], d = sextets[c[2]], e = sextets[c[3]];
        bad |= a | b | d | e;
        ret[0] = (uint8_t)(a << 2 | b >> 4);
        ret[1] = (uint8_t)(b << 4 | d >> 2);
        ret[2] = (uint8_t)(d << 6 | e);
    }
    return !(bad & BAD);
}

/* The last group where it is padded: one or two bytes. The bits that are left over must be 0. */
static bool decode_padded(const char *text, size_t size, uint8_t *ret) {
    const char full[4] = {text[0], text[1], size == 2 ? text[2] : 'A', 'A'};
    uint8_t bytes[3];
    if (!decode_groups(full, 1, bytes) || bytes[size] != 0)
        return false;
    memcpy(ret, bytes, size);
    return true;
}

int values_from_base64(char *text, size_t len, void *ret, size_t max, size_t *ret_size,
                       struct diag *diag) {
    len = unescape(text, len);
    int r = check_length(len, diag);
    if (r)
        return r;
    size_t pad = 0;
    while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
        pad++;
    size_t size = len / 4 * 3 - pad;
    if (size > max && len / 4 * 3 > max + 2)
        return diag_set(diag, VALUES_E_INVALID,
                        "%zu characters of base64 where %zu bytes are expected", len, max);
    size_t groups = size / 3;
    uint8_t *bytes = ret;
    if (size > max || !decode_groups(text, groups, bytes) ||
        (pad && !decode_padded(text + 4 * groups, 3 - pad, bytes + 3 * groups)))
        return diag_set(diag, VALUES_E_INVALID, "no valid base64 of at most %zu bytes", max);
    *ret_size = size;
    return 0;
}

size_t values_base64_len(size_t size) {
    return (size + 2) / 3 * 4;
}

static void encode_group(const uint8_t *b, char *ret) {
    ret[0] = alphabet[b[0] >> 2];
    ret[1] = alphabet[(b[0] & 3) << 4 | b[1] >> 4];
    ret[2] = alphabet[(b[1] & 15) << 2 | b[2] >> 6];
    ret[3] = alphabet[b[2] & 63];
}

void values_to_base64(const void *data, size_t size, char *ret) {
    const uint8_t *bytes = data;
    for (; size >= 3; size -= 3, bytes += 3, ret += 4)
        encode_group(bytes, ret);
    if (size) {
        const uint8_t last[3] = {bytes[0], size == 2 ? bytes[1] : 0, 0};
        encode_group(last, ret);
        memset(ret + size + 1, '=', 3 - size);
        ret += 4;
    }
    *ret = '\0';
}
