/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which values are looked up together.
 */

#include "kernels/sparse-lookup.h"

#include "kernels/sparse.h"

struct lookup lookup_of(const struct conv_shape *s, size_t block, size_t piece, size_t lookups,
                        size_t group, bool is_float) {
    return (struct lookup){
        .is_float = is_float,
        .depth = s->kernel_h * s->runs_x * s->run_length,
        .block = block,
        .blocks = LOOKUP_TILE / block,
        .entries = lookups / (LOOKUP_TILE / block),
        .group = group,
        .run = s->run_length,
        .piece = piece,
        .run_pieces = (s->run_length + piece - 1) / piece,
    };
}

/* The next position from k on where block b has a weight. */
static size_t seek(const struct lookup *l, size_t b, size_t k) {
    const size_t first = b * l->block;
    if (first >= l->rows)
        return l->depth;
    const size_t rows = MIN(l->block, l->rows - first), at = first * l->depth;
    if (l->is_float)
        while (k < l->depth && !sparse_has_f32((const float *)l->filter + at, l->depth, rows, k))
            k++;
    else
        while (k < l->depth && !sparse_has_s8((const int8_t *)l->filter + at, l->depth, rows, k))
            k++;
    return k;
}

void lookup_start(struct lookup *l, const struct kern_conv *p, const void *filter, size_t first) {
    const size_t size = l->is_float ? sizeof(float) : 1;
    l->filter = (const char *)filter + first * l->depth * size;
    l->rows = MIN((size_t)p->out_c - first, (size_t)LOOKUP_TILE);
    for (size_t b = 0; b < l->blocks; b++)
        l->next[b] = seek(l, b, 0);
}

bool lookup_next(struct lookup *l, struct lookup_op *ret_op) {
    size_t farthest_behind = l->depth, most = 0;
    for (size_t b = 0; b < l->blocks; b++)
        farthest_behind = MIN(farthest_behind, l->next[b]);
    if (farthest_behind == l->depth)
        return false;
    ret_op->piece = lookup_index(l, 0, farthest_behind) / l->piece;
    for (size_t b = 0; b < l->blocks; b++) {
        size_t n = 0;
        while (n < l->entries && l->next[b] < l->depth &&
               lookup_index(l, ret_op->piece, l->next[b]) < 2 * l->piece) {
            ret_op->at[b * l->entries + n++] = (uint32_t)l->next[b];
            l->next[b] = seek(l, b, l->next[b] + 1);
        }
        most = MAX(most, n);
        while (n < l->entries)
            ret_op->at[b * l->entries + n++] = LOOKUP_NONE;
    }
    ret_op->groups = (most + l->group - 1) / l->group;
    return true;
}

void lookup_count(struct lookup *l, const struct kern_conv *p, const void *filter, size_t *ret_ops,
                  size_t *ret_groups) {
    struct lookup_op op;
    size_t ops = 0, groups = 0;
    for (size_t first = 0; first < (size_t)p->out_c; first += LOOKUP_TILE) {
        lookup_start(l, p, filter, first);
        for (; lookup_next(l, &op); ops++)
            groups += op.groups;
    }
    *ret_ops = ops;
    *ret_groups = groups;
}
