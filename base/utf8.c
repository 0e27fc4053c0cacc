/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8.
 */

#include "base/utf8.h"

#include <stdint.h>

size_t utf8_length(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
        return 0;
    uint32_t code = p[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[len] || code > 0x10ffff || surrogate ? 0 : len;
}

#define ASCII_BLOCK 16

/* The length of the part at s that is ASCII, in whole blocks. */
static size_t skip_ascii(const char *s, size_t n) {
    size_t at = 0;
    for (; n - at >= ASCII_BLOCK; at += ASCII_BLOCK) {
        unsigned char all = 0;
        for (int i = 0; i < ASCII_BLOCK; i++)
            all |= (unsigned char)s[at + (size_t)i];
        if (all >= 0x80)
            break;
    }
    return at;
}

bool utf8_valid(const char *s, size_t n) {
    size_t ascii = skip_ascii(s, n);
    s += ascii;
    n -= ascii;
    for (size_t len; n > 0; s += len, n -= len) {
        len = utf8_length(s, n);
        if (len == 0)
            return false;
    }
    return true;
}
