/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Little-endian loads and stores of any alignment: wire and file integers are read with these, never by cast.
 */

#include <stdint.h>
#include <string.h>

static inline uint16_t load_le16(const void *p) {
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t load_le32(const void *p) {
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t load_le64(const void *p) {
    const uint8_t *b = p;
    return (uint64_t)load_le32(b) | (uint64_t)load_le32(b + 4) << 32;
}

static inline float load_lef32(const void *p) {
    uint32_t u = load_le32(p);
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

static inline void store_le16(void *p, uint16_t v) {
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void store_le32(void *p, uint32_t v) {
    uint8_t *b = p;
    for (int i = 0; i < 4; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

static inline void store_le64(void *p, uint64_t v) {
    uint8_t *b = p;
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

static inline void store_lef32(void *p, float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    store_le32(p, u);
}
