/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the pass `prune`: patterns, importance, choice and refit of the weights of a layer, seen as a matrix
 * [out][depth] whatever their order in the network. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/layer.h"
#include "compress/masked.h"

struct diag;
struct moments;

/* ---- patterns ---- */

#define PRUNE_MAX_BLOCK 64 /* rows or columns of a block, weights of a group */

/* Blocks of rows consecutive output channels by cols consecutive inputs; they begin at channel and input 0, and what does
 * not divide is a smaller block at the end. Or of each group of `group` consecutive inputs at most `keep` stay. */
struct prune_pattern {
    uint32_t rows, cols;  /* 1, 1: single weights */
    uint32_t keep, group; /* 0: blocks */
};

/* "unstructured" (so is NULL), "4x1", "2:4". COMPRESS_E_INVALID, the diag begins with `pattern`. */
_nodiscard_ int prune_pattern_parse(const char *text, struct prune_pattern *ret_pattern,
                                    struct diag *diag);

/* ---- one layer ---- */

enum prune_criterion { PRUNE_MAGNITUDE, PRUNE_L1, PRUNE_L2, PRUNE_ACTIVATION, PRUNE_SALIENCY };

struct prune_layer {
    struct layer layer;
    const struct moments *moments; /* NULL where nothing was observed */
    struct masked m;               /* `h` only where there are Gram matrices */
    bool centred;   /* of deviations from the inputs' means: the bias takes care of those */
    double *scale;  /* [out]: of activation and saliency, 1 over the mean square of the output */
    double *w0, *w; /* [out][depth]: as they were, as they are */
    double *scores; /* of blocks [row][col]; pruned ones are below 0 */
    uint32_t n_rows, n_cols; /* of blocks */
};

/* Reads the weights. `h` is made where there are Gram matrices. -ENOMEM. */
_nodiscard_ int prune_layer_init(struct prune_layer *p, const struct graph *graph,
                                 const struct layer *layer, const struct moments *moments,
                                 const struct prune_pattern *pattern, bool centred);
void prune_layer_deinit(struct prune_layer *p);
/* Writes the weights that are left and, where they were refitted, the bias. -ENOMEM. */
_nodiscard_ int prune_layer_store(struct prune_layer *p, struct graph *graph);

/*
 * Fills `scores` for blocks that are not pruned entirely: means over their weights, so that smaller blocks are judged
 * alike. Magnitude: the largest. Activation: root mean square of w times the root mean square of its input, relative to
 * that of the output. Saliency: half the mean squared error of the outputs when the block goes and the other weights
 * make up for it, relative to the outputs' mean squares. -ENOMEM, COMPRESS_E_INVALID.
 */
_nodiscard_ int prune_score(struct prune_layer *p, const struct prune_pattern *pattern,
                            enum prune_criterion criterion, double damping, struct diag *diag);
/* Fills `scale`; prune_layer_init() does. */
void prune_scale(struct prune_layer *p);
/* What scores are divided by to compare layers: those of activation and saliency become parts of the mean over a layer's
 * channels. */
double prune_score_unit(const struct prune_layer *p, enum prune_criterion criterion);

/* Least squares for the kept weights of each output channel, from the weights as they were: the smallest mean squared
 * change of the output over the observed inputs, damped towards no change. -ENOMEM, COMPRESS_E_INVALID. */
_nodiscard_ int prune_refit(struct prune_layer *p, double damping, struct diag *diag);

/* Prunes the blocks of least score until `share` of the weights are pruned: of each layer, at least one block stays; or
 * of all together, where `units` are what the layers' scores are divided by, and (1 - share)^2 of a layer stays. -ENOMEM. */
_nodiscard_ int prune_choose(struct prune_layer *layers, uint32_t n,
                             const struct prune_pattern *pattern, double share,
                             const double *units);
/* Prunes the blocks with a score below `threshold`; at least the best one stays. */
void prune_below(struct prune_layer *p, const struct prune_pattern *pattern, double threshold);
/* Of each group the weights with the least scores; those are of single weights. */
void prune_groups(struct prune_layer *p, const struct prune_pattern *pattern);
