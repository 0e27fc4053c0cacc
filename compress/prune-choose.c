/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which blocks go. Equal scores are told apart by their places, so that the choice is one.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/prune.h"

struct candidate {
    double score;
    uint32_t layer, block;
};

static uint32_t block_weights(const struct prune_layer *p, const struct prune_pattern *pattern,
                              uint32_t block) {
    uint32_t row = block / p->n_cols * pattern->rows, col = block % p->n_cols * pattern->cols;
    return MIN(pattern->rows, p->layer.out - row) * MIN(pattern->cols, p->layer.depth - col);
}

static void prune_block(struct prune_layer *p, const struct prune_pattern *pattern,
                        uint32_t block) {
    uint32_t row = block / p->n_cols * pattern->rows, col = block % p->n_cols * pattern->cols;
    uint32_t cols = MIN(pattern->cols, p->layer.depth - col);
    for (uint32_t c = row; c < MIN(row + pattern->rows, p->layer.out); c++)
        memset(p->m.kept + (size_t)c * p->layer.depth + col, 0, cols);
}

static int by_score(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

static size_t n_blocks(const struct prune_layer *p) {
    return (size_t)p->n_rows * p->n_cols;
}

static size_t collect(const struct prune_layer *layers, uint32_t n, const double *units,
                      struct candidate *ret, double *ret_weights) {
    size_t count = 0;
    *ret_weights = 0;
    for (uint32_t l = 0; l < n; l++) {
        *ret_weights += (double)layers[l].layer.out * layers[l].layer.depth;
        for (uint32_t i = 0; i < n_blocks(&layers[l]); i++) {
            double score = layers[l].scores[i];
            ret[count++] = (struct candidate){score > 0 && units ? score / units[l] : score, l, i};
        }
    }
    return count;
}

/* Until the next one would take it further beyond the target than it is short of it. */
static void prune_least(struct prune_layer *layers, const struct prune_pattern *pattern,
                        const struct candidate *list, size_t n, double target, size_t *spare) {
    double pruned = 0;
    for (size_t i = 0; i < n; i++) {
        struct prune_layer *p = &layers[list[i].layer];
        double size = block_weights(p, pattern, list[i].block);
        if (pruned + size / 2 > target)
            return;
        if (spare[list[i].layer] == 0)
            continue;
        spare[list[i].layer]--;
        prune_block(p, pattern, list[i].block);
        pruned += size;
    }
}

/* Scores say what the loss of one block costs, not of nearly all: where layers compete, a layer keeps at least the square
 * of the share that stays of all. */
static size_t least_left(const struct prune_layer *p, double share) {
    return MAX((size_t)(ceil((double)n_blocks(p) * (1 - share) * (1 - share))), (size_t)1);
}

static int choose(struct prune_layer *layers, uint32_t n, const struct prune_pattern *pattern,
                  double share, const double *units) {
    size_t total = 0;
    for (uint32_t l = 0; l < n; l++)
        total += n_blocks(&layers[l]);
    struct candidate *list = malloc(total * sizeof(*list));
    size_t *spare = malloc(n * sizeof(*spare));
    int r = list && spare ? 0 : err_origin(-ENOMEM);
    if (r == 0) {
        double weights;
        collect(layers, n, units, list, &weights);
        for (uint32_t l = 0; l < n; l++)
            spare[l] = n_blocks(&layers[l]) - least_left(&layers[l], units ? share : 1);
        qsort(list, total, sizeof(*list), by_score);
        prune_least(layers, pattern, list, total, share * weights, spare);
    }
    free(list);
    free(spare);
    return r;
}

int prune_choose(struct prune_layer *layers, uint32_t n, const struct prune_pattern *pattern,
                 double share, const double *units) {
    int r = 0;
    if (units)
        return choose(layers, n, pattern, share, units);
    for (uint32_t l = 0; l < n && r == 0; l++)
        r = choose(&layers[l], 1, pattern, share, NULL);
    return r;
}

void prune_below(struct prune_layer *p, const struct prune_pattern *pattern, double threshold) {
    size_t best = 0;
    for (size_t i = 1; i < n_blocks(p); i++)
        if (p->scores[i] > p->scores[best])
            best = i;
    for (size_t i = 0; i < n_blocks(p); i++)
        if (i != best && p->scores[i] < threshold)
            prune_block(p, pattern, (uint32_t)i);
}

/* Places of the group's least scores first; few, so the plain way. */
static void prune_group(const double *scores, uint8_t *kept, uint32_t n, uint32_t keep) {
    for (uint32_t left = n; left > keep; left--) {
        uint32_t least = UINT32_MAX;
        for (uint32_t i = 0; i < n; i++)
            if (kept[i] && (least == UINT32_MAX || scores[i] < scores[least]))
                least = i;
        kept[least] = 0;
    }
}

void prune_groups(struct prune_layer *p, const struct prune_pattern *pattern) {
    for (uint32_t c = 0; c < p->layer.out; c++) {
        for (uint32_t k = 0; k < p->layer.depth; k += pattern->group) {
            size_t at = (size_t)c * p->layer.depth + k;
            prune_group(p->scores + at, p->m.kept + at, MIN(pattern->group, p->layer.depth - k),
                        pattern->keep);
        }
    }
}
