/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Networks small enough to know their answers by heart, written as `.edge` files.
 */

/* FP32 x [1, 4] -> y [1, 3]: y = (x0 + x1, x2 - x3, 10). Labels "left", "right", "ten". */
void tiny_affine(const char *path, const char *name);
/* INT8 q [1, 4], scale 0.5, zero point 3 -> r: the same with negative real values as 0. */
void tiny_quant(const char *path, const char *name);
/* FP32 a, b [1, 2] -> sum, difference [1, 2]. */
void tiny_two(const char *path, const char *name);
/* FP32 x [1, 2] and a state -> total [1, 2]: the sum of all x of the session so far. */
void tiny_counter(const char *path, const char *name);
/* FP32 x [1, 512] -> y [1, 512] in about a millisecond; 0 stays 0. Weights of TINY_SLOW_BYTES. */
void tiny_slow(const char *path, const char *name);
#define TINY_SLOW_BYTES (8UL << 20)
