/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The int8 kernels as one source for all tiers. A tier's file includes its vector layer, defines
 * KERN_SUFFIX, the tier's name in the functions' names, and includes this file once; its library is
 * compiled with the tier's instructions. All that is defined here is either static or bears the
 * suffix. A tier that only adds a tile of its own for convolutions names its file in KERN_CONV_TILE;
 * peak_s8 is its own business then.
 *
 * A vector layer gives
 *   vec                a vector of VEC_LANES 32-bit lanes,
 *   vec_staged         an activation as the products take it; vec_stage_offset(in_zero) is what
 *                      staging adds to it (modulo its width),
 *   VEC_GROUP          how many of them a lane takes in one product (they make four bytes),
 *   VEC_ROWS_1, _2, _4 rows of a tile of 1, 2 and 4 vectors that the registers hold (_4 where
 *                      VEC_BLOCK is 4),
 *   VEC_BLOCK          vectors of a full block of output channels,
 *   VEC_REGISTER       the constraint of an asm operand that is a vector's register,
 *   vec_load, vec_store, vec_set1, vec_add, vec_broadcast (the four bytes at an address, into every
 *   lane),
 *   vec_dot            acc + x . w: in each lane the products of VEC_GROUP activations and weights,
 *                      exact, modulo 2^32,
 *   vec_requantize     (high 32 bits of acc * mult + round) >> shift in each lane, shift at least 1,
 *   vec_narrow         four vectors as bytes: out_zero added, clamped; in each 128 bits the four
 *                      vectors' parts follow one another,
 *   vec_order          brings the bytes of 4 / n rows of n vectors each into the rows' order,
 *   vec_put            stores one of these rows,
 *   vec_put_some       stores the first n bytes of it, n less than the row,
 *   vec_load_some, vec_store_some
 *                      the first n bytes at an address, no other is touched; n in [1, VEC_BYTES],
 *   vec_set1_byte, vec_max_bytes, vec_min_bytes
 *                      vectors of signed bytes,
 *   vec_widen          bytes as four vectors, in the order that vec_narrow joins them in;
 *                      vec_widen_16 the same of two vectors of 16-bit numbers in that order,
 *   vec_sum_bytes      adds the bytes of two vectors to such 16-bit numbers,
 *   vec_pair           two 16-bit numbers in each lane; vec_pair_set1 the same two in each,
 *   vec_pairs          each byte of a with that of b, both times 256, in vec_widen's order,
 *   vec_dot_pairs      acc + x.a * w.a + x.b * w.b in each lane,
 *   struct vec_table, vec_table_set, vec_lookup
 *                      table[x] for each byte x, of 256 bytes,
 * and for flat blocks of 4 * VEC_LANES neighbouring elements (depthwise)
 *   vec_interleave     four vectors of lanes of VEC_GROUP taps of an element each; tap i of element
 *                      e is x[i][first + e],
 *   vec_flat_element   the element that a lane of these vectors is,
 *   vec_high           high 32 bits of acc * mult in each lane; `odd` has mult of the odd lanes
 *                      where the even ones have it in `mult`, for products of 64 bits,
 *   vec_shift          v >> shift in each lane,
 *   vec_narrow_scaled  vec_narrow with a rounding scale in between: (q * scale + 2^14) >> 15 of the
 *                      sums saturated to 16 bits; lanes of `scale` in the order of the 16-bit
 *                      vectors, in each 128 bits four of one vector and four of the next,
 *   vec_flat_order     brings the bytes of a flat block into the elements' order.
 * For float activations by integer weights (conv-hybrid-tmpl.h, conv-groups-tmpl.h)
 *   VEC_MAX_FLOATS, VEC_MIN_FLOATS
 *                      of two vectors of floats,
 *   GROUPS_ROWS        rows of a tile of 2 vectors that the registers hold, at most 8,
 *   GROUPS_OFFSET      what weights of so many bits are stored above what they are,
 *   GROUPS_NIBBLE_ONE  what a weight of 4 bits that is 1 counts as,
 *   vec_dot_bytes      acc + x . w: in each lane the products of four stored weights and four signed activations from
 *                      -127 to 127, exact, modulo 2^32,
 *   vec_low_nibbles, vec_high_nibbles
 *                      the stored weights of 4 bits in each byte's lower and upper half,
 *   vec_dot_nibbles    where GROUPS_JOINS_NIBBLES: vec_dot_bytes() of the lower ones by x and the upper ones by x_high.
 * A layer with 32 registers, VEC_ROWS_1 and _2 of 12, where loads set the pace of such tiles defines
 * VEC_SLIDE (conv-s8-slide-tmpl.h).
 * A layer of vectors so wide that few channels leave them half empty defines VEC_PAIRS, half of
 * VEC_LANES, and gives
 *   vec_broadcast_pair the eight bytes at an address, into every pair of lanes,
 *   vec_fold           in even lanes the sums of the pairs of lanes of one vector, in odd ones those
 *                      of another,
 *   vec_order_pairs    brings the bytes of eight rows, folded by twos, into the rows' order.
 * A layer that differs from the others defines
 *   VEC_WEIGHT         where in a vector of weights the k-th of a lane is,
 *   VEC_FASTEST_DOT    products that are not exact for all weights, and
 *   VEC_MAY_WRAP       whether those of a vector are such,
 *   VEC_SHIFT_ROUNDS   1: vec_requantize() rounds by itself, whatever `round` is, and vec_high,
 *                      vec_shift and vec_narrow_scaled are not needed,
 *   VEC_ROW_STEP       rows that a tile takes together,
 *   VEC_CONV_SUMS      the file that sums a convolution's tile.
 *
 * Requantization stays in integers and is exact: requantize-s8-tmpl.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/conv-hybrid.h"
#include "kernels/conv-shape.h"
#include "kernels/conv-tiles.h"
#include "kernels/fixedpoint.h"
#include "kernels/im2col.h"
#include "kernels/list.h"
#include "kernels/names.h"
#include "kernels/round.h"
#include "kernels/sparse-planes.h"
#include "kernels/sparse.h"

#define VEC_BYTES (VEC_LANES * 4)
#define VEC_WEIGHT_BYTES (VEC_LANES * VEC_GROUP * sizeof(vec_staged))
/* Weights of a lane lie together: a block's channels can be the lanes. */
#ifndef VEC_WEIGHT
#define VEC_WEIGHT(lane, k) ((lane)*VEC_GROUP + (k))
#define KERN_SPARSE_VECTOR (VEC_LANES <= 8)
#else
#define KERN_SPARSE_VECTOR 0
#endif
#ifndef VEC_FASTEST_DOT
#define VEC_FASTEST_DOT vec_dot
#endif
#ifndef VEC_MAY_WRAP
#define VEC_MAY_WRAP(weights) false
#endif
#ifndef VEC_SHIFT_ROUNDS
#define VEC_SHIFT_ROUNDS 0
#endif
#ifndef GROUPS_JOINS_NIBBLES
#define GROUPS_JOINS_NIBBLES 0
#define vec_dot_nibbles(acc, w, x, x_high) ((void)(x_high), (acc))
#endif
#ifndef VEC_ROW_STEP
#define VEC_ROW_STEP 1
#endif
#ifndef VEC_CONV_SUMS
#define VEC_CONV_SUMS "kernels/conv-s8-sums-tmpl.h"
#endif

/* A vec with the compiler's operators, and one of floats. */
typedef int32_t vec_lanes __attribute__((vector_size(VEC_BYTES)));
typedef float vec_floats __attribute__((vector_size(VEC_BYTES)));

#include "kernels/requantize-s8-tmpl.h"
#include "kernels/stage-s8-tmpl.h"

#include "kernels/conv-s8-pack-tmpl.h"
#include "kernels/conv-s8-stage-tmpl.h"
#include "kernels/conv-s8-store-tmpl.h"

#ifdef KERN_CONV_TILE
#include KERN_CONV_TILE
#include "kernels/conv-s8-tmpl.h"
#else
#include "kernels/conv-s8-tile-tmpl.h"

#include "kernels/binary-s8-tmpl.h"
#include "kernels/conv-s8-tmpl.h"

#include "kernels/conv-hybrid-tmpl.h"

#include "kernels/conv-groups-tmpl.h"
#ifdef VEC_PAIRS
#include "kernels/conv-s8-pairs-tmpl.h"
#endif

#include "kernels/depthwise-s8-tmpl.h"
#include "kernels/peak-s8-tmpl.h"
#include "kernels/pool-s8-tmpl.h"
#include "kernels/quantize-tmpl.h"
#if VEC_LANES <= 8 /* wider ones look inputs up instead */
#include "kernels/sparse-s8-turn-tmpl.h"

#include "kernels/sparse-s8-tmpl.h"
#endif
#if KERN_SPARSE_VECTOR
#include "kernels/sparse-vector-s8-tmpl.h"
#endif
#endif
