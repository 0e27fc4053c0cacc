/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * AMX: eight tiles of up to 16 rows of 64 bytes in each thread (Intel SDM vol. 1, chapter 18). The
 * process needs the kernel's permission (cpu-x86.c). Numbers of tiles are literals.
 */

#include <immintrin.h>
#include <stdint.h>

struct tile_config {
    uint8_t palette, start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Not _tile_loadconfig(): GCC 12 says of it that it reads eight bytes. */
static inline void tile_configure(const struct tile_config *config) {
    __asm__ volatile("ldtilecfg %0" : : "m"(*config) : "memory");
}

/* Without tiles in use, the kernel saves nothing at a context switch and the core may sleep. */
static inline void tile_release(void) {
    _tile_release();
}

#define tile_zero(t) _tile_zero(t)
/* The intrinsic does not say what it reads. */
#define tile_load(t, p, stride)                                                                    \
    do {                                                                                           \
        __asm__ volatile("" : : : "memory");                                                       \
        _tile_loadd(t, p, stride);                                                                 \
    } while (0)
#define tile_store(t, p, stride) _tile_stored(t, p, stride)
/* sum += products of unsigned a and signed b, groups of four bytes along a row of a and down a
 * column of b. */
#define tile_dot(sum, a, b) _tile_dpbusd(sum, a, b)
