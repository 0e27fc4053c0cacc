/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The tiles of kernels/x86/tiles.h made of C, so that the kernel's logic is checked where there is
 * no AMX. What the processor would refuse ends the program. One thread.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERN_SUFFIX amx_emulated

uint64_t kern_peak_s8_amx_emulated(uint64_t rounds);

struct tile_config {
    uint8_t palette, start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static struct {
    struct tile_config config;
    uint8_t bytes[8][16][64];
} emulated;

static inline void tile_demand(int holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "emulated tiles: %s\n", what);
    abort();
}

static inline void tile_configure(const struct tile_config *config) {
    tile_demand(config->palette == 1 && config->start_row == 0, "palette or start row");
    for (unsigned i = 0; i < 16; i++) {
        const unsigned rows = config->rows[i], bytes = config->row_bytes[i];
        tile_demand(i < 8 ? rows <= 16 && bytes <= 64 && !rows == !bytes : !rows && !bytes,
                    "sizes of the configuration");
    }
    memset(&emulated, 0, sizeof(emulated));
    emulated.config = *config;
}

static inline void tile_release(void) {
    memset(&emulated, 0, sizeof(emulated));
}

static inline void tile_zero(unsigned t) {
    tile_demand(emulated.config.rows[t], "a tile that is not configured");
    memset(emulated.bytes[t], 0, sizeof(emulated.bytes[t]));
}

static inline void tile_load(unsigned t, const void *p, size_t stride) {
    tile_zero(t);
    for (size_t i = 0; i < emulated.config.rows[t]; i++)
        memcpy(emulated.bytes[t][i], (const char *)p + i * stride, emulated.config.row_bytes[t]);
}

static inline void tile_store(unsigned t, void *p, size_t stride) {
    tile_demand(emulated.config.rows[t], "a tile that is not configured");
    for (size_t i = 0; i < emulated.config.rows[t]; i++)
        memcpy((char *)p + i * stride, emulated.bytes[t][i], emulated.config.row_bytes[t]);
}

static inline void tile_dot(unsigned sum, unsigned a, unsigned b) {
    const struct tile_config *c = &emulated.config;
    tile_demand(c->rows[sum] == c->rows[a] && c->row_bytes[sum] == c->row_bytes[b] &&
                    c->row_bytes[a] == c->rows[b] * 4 && sum != a && sum != b && a != b,
                "sizes of a product");
    for (size_t i = 0; i < c->rows[sum]; i++) {
        for (size_t j = 0; j < c->row_bytes[sum] / 4U; j++) {
            int32_t acc;
            memcpy(&acc, emulated.bytes[sum][i] + 4 * j, sizeof(acc));
            for (size_t k = 0; k < c->row_bytes[a]; k++)
                acc += emulated.bytes[a][i][k] * (int8_t)emulated.bytes[b][k / 4][4 * j + k % 4];
            memcpy(emulated.bytes[sum][i] + 4 * j, &acc, sizeof(acc));
        }
    }
}
