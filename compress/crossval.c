/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cross-validation. Samples are shuffled; fold k gets every folds-th of them, so that folds differ by one sample at most.
 */

#include "compress/crossval.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/random.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/recipe.h"
#include "model/graph-edit.h"
#include "model/graph.h"

void crossval_deinit(struct crossval *c) {
    evaluation_deinit(&c->pooled);
}

/* ---- all folds together ---- */

static int pool_init(struct evaluation *pool, const struct evaluation *fold, size_t n) {
    *pool = (struct evaluation){.metric = fold->metric, .top_k = fold->top_k};
    pool->samples = malloc(n * sizeof(*pool->samples));
    pool->positive = fold->positive ? malloc(n) : NULL;
    if (!pool->samples || (fold->positive && !pool->positive))
        return err_origin(-ENOMEM);
    return fold->metric == METRIC_TOP1
               ? score_confusion_init(&pool->confusion, fold->confusion.n_classes)
               : 0;
}

static void pool_add(struct evaluation *pool, const struct evaluation *fold) {
    memcpy(pool->samples + pool->n, fold->samples, fold->n * sizeof(*fold->samples));
    if (fold->positive)
        memcpy(pool->positive + pool->n, fold->positive, fold->n);
    for (size_t i = 0; i < pool->confusion.n_classes * pool->confusion.n_classes; i++)
        pool->confusion.counts[i] += fold->confusion.counts[i];
    pool->confusion.n += fold->confusion.n;
    pool->confusion.correct += fold->confusion.correct;
    pool->top_correct += fold->top_correct;
    pool->n_positive += fold->n_positive;
    pool->n += fold->n;
}

static void summarize(struct crossval *c) {
    double sum = 0, squares = 0;
    for (uint32_t k = 0; k < c->folds; k++)
        sum += c->scores[k];
    c->mean = sum / c->folds;
    for (uint32_t k = 0; k < c->folds; k++)
        squares += (c->scores[k] - c->mean) * (c->scores[k] - c->mean);
    c->sd = sqrt(squares / (c->folds - 1));
    evaluation_summarize(&c->pooled, c->mean);
}

/* ---- folds ---- */

static void shuffle(size_t *order, size_t n, uint64_t seed) {
    struct random random = {.state = seed};
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t other = random_below(&random, (uint32_t)i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

/* Splits the order into those of fold k and the others, as two data sets. */
static int split(const struct dataset *data, const size_t *order, uint32_t folds, uint32_t k,
                 struct dataset *ret_fit, struct dataset *ret_held_out) {
    size_t *samples = malloc(data->n * sizeof(*samples)), n_held = 0, n_fit = 0;
    if (!samples)
        return err_origin(-ENOMEM);
    for (size_t i = k; i < data->n; i += folds)
        samples[n_held++] = order[i];
    for (size_t i = 0; i < data->n; i++)
        if (i % folds != k)
            samples[n_held + n_fit++] = order[i];
    int r = dataset_take(data, samples, n_held, ret_held_out);
    if (r == 0)
        r = dataset_take(data, samples + n_held, n_fit, ret_fit);
    free(samples);
    return r;
}

static int run_fold(const struct dataset *data, const size_t *order, uint32_t k, crossval_fn fn,
                    void *arg, struct crossval *c, struct diag *diag) {
    _cleanup_(dataset_deinit) struct dataset fit = {0};
    _cleanup_(dataset_deinit) struct dataset held_out = {0};
    _cleanup_(evaluation_deinit) struct evaluation e = {0};
    int r = split(data, order, c->folds, k, &fit, &held_out);
    if (r == 0)
        r = fn(arg, &fit, &held_out, &e, diag);
    if (r == 0 && k == 0)
        r = pool_init(&c->pooled, &e, data->n);
    if (r)
        return r;
    c->scores[k] = e.score;
    pool_add(&c->pooled, &e);
    return 0;
}

int crossval_run(const struct dataset *data, const struct crossval_options *options, crossval_fn fn,
                 void *arg, struct crossval *ret_crossval, struct diag *diag) {
    if (options->folds < 2 || options->folds > CROSSVAL_MAX_FOLDS || options->folds > data->n)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "folds: %" PRIu32 " of %zu samples cannot be made", options->folds,
                        data->n);
    struct crossval c = {.folds = options->folds};
    size_t *order = malloc(data->n * sizeof(*order));
    int r = order ? 0 : err_origin(-ENOMEM);
    if (r == 0)
        shuffle(order, data->n, options->seed);
    for (uint32_t k = 0; r == 0 && k < c.folds; k++)
        r = run_fold(data, order, k, fn, arg, &c, diag);
    free(order);
    if (r) {
        crossval_deinit(&c);
        return r;
    }
    summarize(&c);
    *ret_crossval = c;
    return 0;
}

/* ---- a recipe ---- */

struct recipe_fold {
    const struct graph *graph;
    const struct recipe *recipe;
    const struct crossval_options *options;
};

static int run_recipe(void *arg, const struct dataset *fit, const struct dataset *held_out,
                      struct evaluation *ret_evaluation, struct diag *diag) {
    const struct recipe_fold *f = arg;
    _cleanup_(graph_freep) struct graph *copy = NULL;
    int r = graph_copy(f->graph, &copy);
    if (r == 0)
        r = recipe_run(f->recipe, &copy, fit, f->options->tier, NULL, NULL, diag);
    if (r == 0)
        r = evaluate_graph(copy, f->options->tier, held_out, &f->options->evaluate, ret_evaluation,
                           diag);
    return r;
}

int crossval_recipe(const struct graph *graph, const struct recipe *recipe,
                    const struct dataset *data, const struct crossval_options *options,
                    struct crossval *ret_crossval, struct diag *diag) {
    struct recipe_fold f = {graph, recipe, options};
    return crossval_run(data, options, run_recipe, &f, ret_crossval, diag);
}

cJSON *crossval_to_json(const struct crossval *c, const struct crossval_options *options) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddNumberToObject(d, "folds", c->folds);
    cJSON_AddNumberToObject(d, "seed", (double)options->seed);
    cJSON_AddItemToObject(d, "scores", cJSON_CreateDoubleArray(c->scores, (int)c->folds));
    cJSON_AddNumberToObject(d, "mean", c->mean);
    cJSON_AddNumberToObject(d, "sd", c->sd);
    return d;
}
