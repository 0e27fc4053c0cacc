/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the container's reader and writer: numbers of seven bits a byte, and a cursor over bytes from outside.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Reads bytes from front to back. The first fault sticks; reads then give 0. */
struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static inline uint8_t get_byte(struct cursor *c) {
    if (c->p == c->end) {
        c->bad = true;
        return 0;
    }
    return *c->p++;
}

/* Only the shortest form of a number is one, so that a graph has one form. */
static inline uint32_t get_varint(struct cursor *c) {
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte = get_byte(c);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (value > UINT32_MAX || (byte == 0 && shift > 0))
            break;
        return (uint32_t)value;
    }
    c->bad = true;
    return 0;
}

/* The next `size` bytes; NULL where there are fewer. */
static inline const uint8_t *get_bytes(struct cursor *c, size_t size) {
    if (c->bad || (size_t)(c->end - c->p) < size) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *bytes = c->p;
    c->p += size;
    return bytes;
}

static inline int put_byte(struct buffer *b, unsigned value) {
    uint8_t byte = (uint8_t)value;
    return buffer_append(b, &byte, 1);
}

static inline int put_varint(struct buffer *b, uint32_t value) {
    uint8_t bytes[5];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    return buffer_append(b, bytes, n);
}
