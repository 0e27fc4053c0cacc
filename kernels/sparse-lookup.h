/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sparse products by looking the inputs up: for tiers that can index two registers' values at once.
 *
 * A window of the input is cut into pieces, each what a register holds; the last piece of a run of
 * neighbouring values may hold less. A look-up picks values of two neighbouring pieces. The 16
 * output channels of a tile are blocks of R channels that look at the same values; a look-up gives
 * each block up to `entries` values, in groups of what one product takes. Blocks go on at their own
 * pace: the pieces follow the one that is farthest behind, so that rows of uneven density waste
 * little.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/conv-shape.h"

#define LOOKUP_TILE 16 /* output channels */
#define LOOKUP_MAX 64  /* values of a look-up */
#define LOOKUP_NONE UINT32_MAX

/* A tile's look-ups one after the other. */
struct lookup {
    const void *filter; /* of the tile's first channel */
    bool is_float;
    size_t depth, rows;            /* of the filter; rows of the tile that exist */
    size_t block, blocks;          /* R, 16 / R */
    size_t entries, group;         /* of a block in a look-up; of them in a product */
    size_t run, piece, run_pieces; /* values of a run and a piece, pieces of a run */
    size_t next[LOOKUP_TILE];      /* position that each block looks at next */
};

struct lookup_op {
    size_t piece;  /* and the next one */
    size_t groups; /* that are used */
    /* Position in the filter's row of value `entry` of block b, [b * entries + entry]; or NONE. */
    uint32_t at[LOOKUP_MAX];
};

/* A sparse product of that shape; `piece` values, `lookups` at a time, in groups of `group`. */
struct lookup lookup_of(const struct conv_shape *s, size_t block, size_t piece, size_t lookups,
                        size_t group, bool is_float);
/* Begins at the tile of channel `first`. */
void lookup_start(struct lookup *l, const struct kern_conv *p, const void *filter, size_t first);
/* The next one; false at the end. */
bool lookup_next(struct lookup *l, struct lookup_op *ret_op);

/* Look-ups and used groups of all tiles. */
void lookup_count(struct lookup *l, const struct kern_conv *p, const void *filter, size_t *ret_ops,
                  size_t *ret_groups);

/* Where in the two pieces from `piece` on position k of the filter's row is. */
static inline size_t lookup_index(const struct lookup *l, size_t piece, size_t k) {
    const size_t of = k / l->run * l->run_pieces + k % l->run / l->piece;
    return (of - piece) * l->piece + k % l->run % l->piece;
}

static inline size_t lookup_pieces(const struct lookup *l) {
    return l->depth / l->run * l->run_pieces;
}
