/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the tiles of the convolution templates share.
 */

/* Three rows share an address, which x86-64 can add one and two times the distance to: twelve
 * addresses would not fit the registers. KEEP_ADDRESS hides from the compiler what it points at, or
 * it would split them again. */
#define CONV_ROW(p, i) ((p)[(i) / 3] + (i) % 3 * pixel)
#define KEEP_ADDRESS(p) __asm__("" : "+r"(p))

/* X(rows, vectors) for every height of a tile up to the highest. */
#define CONV_TILES_2(X, vectors) X(1, vectors) X(2, vectors)
#define CONV_TILES_4(X, vectors) CONV_TILES_2(X, vectors) X(3, vectors) X(4, vectors)
#define CONV_TILES_5(X, vectors) CONV_TILES_4(X, vectors) X(5, vectors)
#define CONV_TILES_6(X, vectors) CONV_TILES_5(X, vectors) X(6, vectors)
#define CONV_TILES_8(X, vectors) CONV_TILES_6(X, vectors) X(7, vectors) X(8, vectors)
#define CONV_TILES_10(X, vectors) CONV_TILES_8(X, vectors) X(9, vectors) X(10, vectors)
#define CONV_TILES_12(X, vectors) CONV_TILES_10(X, vectors) X(11, vectors) X(12, vectors)
#define CONV_TILES_16(X, vectors)                                                                  \
    CONV_TILES_12(X, vectors) X(13, vectors) X(14, vectors) X(15, vectors) X(16, vectors)
#define CONV_TILES_(rows) CONV_TILES_##rows
#define CONV_TILES(rows) CONV_TILES_(rows)
