/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C by the instruction x86-64 has for it since SSE 4.2, else by eight tables (Kounavis and Berry, "slicing-by-8",
 * 2005). Either way eight bytes a step.
 */

#include "base/crc32c.h"

#include <pthread.h>

#include "base/bytes.h"

#define POLYNOMIAL 0x82f63b78U /* reflected */

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
}

static uint32_t crc32c_table(const uint8_t *p, size_t size) {
    pthread_once(&once, fill_tables);
    uint32_t c = 0xffffffffU;
    for (; size >= 8; p += 8, size -= 8) {
        uint32_t lo = load_le32(p) ^ c;
        uint32_t hi = load_le32(p + 4);
        c = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^
            table[4][lo >> 24] ^ table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^
            table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
    }
    for (; size; p++, size--)
        c = c >> 8 ^ table[0][(c ^ *p) & 0xff];
    return ~c;
}

#ifdef __x86_64__
__attribute__((__target__("sse4.2"))) static uint32_t crc32c_sse42(const uint8_t *p, size_t size) {
    uint64_t c = 0xffffffffU;
    for (; size >= 8; p += 8, size -= 8)
        c = __builtin_ia32_crc32di(c, load_le64(p));
    for (; size; p++, size--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return ~(uint32_t)c;
}
#endif

uint32_t crc32c(const void *data, size_t size) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(data, size);
#endif
    return crc32c_table(data, size);
}
