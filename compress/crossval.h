/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * K-fold cross-validation of what is fitted: how far the figure of a calibrated network depends on which samples it was
 * calibrated with. Every sample is evaluated once, by a network that did not see it. One thread calls.
 */

#include <stdint.h>

#include "base/attributes.h"
#include "compress/evaluate.h"

struct recipe;

#define CROSSVAL_MAX_FOLDS 100

struct crossval_options {
    uint32_t folds; /* 2 to CROSSVAL_MAX_FOLDS, at most one for each sample */
    uint64_t seed;  /* decides which sample is in which fold */
    enum tier tier;
    struct evaluate_options evaluate;
};

struct crossval {
    uint32_t folds;
    double scores[CROSSVAL_MAX_FOLDS];
    double mean, sd; /* of the scores */
    /* All held-out samples together, fold after fold. The AUC is the mean of those of the folds, since scores of
     * different networks do not compare. */
    struct evaluation pooled;
};
void crossval_deinit(struct crossval *c);

/* Fits something to `fit` and evaluates it on `held_out`. */
typedef int (*crossval_fn)(void *arg, const struct dataset *fit, const struct dataset *held_out,
                           struct evaluation *ret_evaluation, struct diag *diag);
/* 0, -ENOMEM, COMPRESS_E_INVALID, what `fn` returned. */
_nodiscard_ int crossval_run(const struct dataset *data, const struct crossval_options *options,
                             crossval_fn fn, void *arg, struct crossval *ret_crossval,
                             struct diag *diag);
/* Fits by running the recipe on a copy of the graph, calibrated with the other folds' samples. The same. */
_nodiscard_ int crossval_recipe(const struct graph *graph, const struct recipe *recipe,
                                const struct dataset *data, const struct crossval_options *options,
                                struct crossval *ret_crossval, struct diag *diag);

/* {"folds", "seed", "scores", "mean", "sd"}. NULL where there is no memory. */
struct cJSON *crossval_to_json(const struct crossval *c, const struct crossval_options *options);
