/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights that share values: k-means codebooks (Han, Mao, Dally: Deep Compression, ICLR 2016, arXiv 1510.00149). The
 * network stays a float one with few distinct values in each layer; the container stores them as a codebook and codes.
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/kmeans.h"
#include "compress/moments.h"
#include "compress/passes.h"
#include "model/graph.h"

enum {
    IMPORTANCE_NONE,
    IMPORTANCE_ACTIVATION,
};

enum {
    CODEBOOK_LAYER,
    CODEBOOK_NETWORK,
};

struct cluster_options {
    struct pass_scope scope;
    uint32_t bits;
    bool zero;
    int init;
    int importance;
    int scope_of_codebook;
    uint32_t samples;
};

/* Weights that get one codebook, in one piece. */
struct pool {
    float *values, *weights; /* weights: NULL, or how much each counts */
    size_t n;
    bool has_zeros; /* that are not among them */
};

static void pool_deinit(struct pool *pool) {
    free(pool->values);
    free(pool->weights);
}

static size_t layer_size(const struct layer *layer) {
    return (size_t)layer->out * layer->depth;
}

static int pool_init(struct pool *pool, const struct layer *layers, uint32_t n, bool weighted) {
    size_t size = 0;
    for (uint32_t i = 0; i < n; i++)
        size += layer_size(&layers[i]);
    pool->values = malloc(size * sizeof(*pool->values));
    if (weighted)
        pool->weights = malloc(size * sizeof(*pool->weights));
    return pool->values && (!weighted || pool->weights) ? 0 : err_origin(-ENOMEM);
}

/* The mean square of the input that weight k of output channel c is multiplied with. */
static float importance(const struct moments *m, uint32_t c, uint32_t k) {
    return (float)(m->sum_square[moments_group(m, c) * m->depth + k] / (double)m->rows);
}

static void pool_add(struct pool *pool, const struct graph *graph, const struct layer *layer,
                     const struct moments *m, bool zero) {
    const float *w = layer_weights(graph, layer)->data;
    for (uint32_t c = 0; c < layer->out; c++)
        for (uint32_t k = 0; k < layer->depth; k++) {
            float value = w[layer_index(layer, c, k)];
            if (zero && value == 0) {
                pool->has_zeros = true;
                continue;
            }
            if (pool->weights)
                pool->weights[pool->n] = importance(m, c, k);
            pool->values[pool->n++] = value;
        }
}

/* ---- codebooks ---- */

struct codebook {
    float values[KMEANS_MAX_CENTERS];
    uint32_t n;
};

struct tally {
    double error, total; /* squares */
    size_t n;
    uint32_t least, most; /* values of a codebook, a zero included */
};

static int replace(struct pass_context *context, const struct layer *layer, bool zero,
                   const struct codebook *book, struct tally *tally) {
    float *w = layer_edit_weights(context->graph, layer);
    if (!w)
        return err_origin(-ENOMEM);
    size_t n = layer_size(layer);
    for (size_t i = 0; i < n; i++) {
        float old = w[i];
        if (!zero || old != 0)
            w[i] = kmeans_nearest(book->values, book->n, old);
        double d = (double)w[i] - (double)old;
        tally->error += d * d;
        tally->total += (double)old * (double)old;
    }
    tally->n += n;
    return 0;
}

/* One codebook for n layers. */
static int cluster(struct pass_context *context, const struct cluster_options *o,
                   const struct layer *layers, const struct moments *moments, uint32_t n,
                   struct tally *tally) {
    _cleanup_(pool_deinit) struct pool pool = {0};
    struct codebook book = {.n = 0};
    int r = pool_init(&pool, layers, n, moments);
    if (r)
        return r;
    for (uint32_t i = 0; i < n; i++)
        pool_add(&pool, context->graph, &layers[i], moments ? &moments[i] : NULL, o->zero);
    uint32_t k = (UINT32_C(1) << o->bits) - pool.has_zeros;
    if (pool.n)
        r = kmeans(pool.values, pool.weights, pool.n, k, (enum kmeans_init)o->init,
                   &context->random, book.values, &book.n);
    for (uint32_t i = 0; i < n && r == 0; i++)
        r = replace(context, &layers[i], o->zero, &book, tally);
    tally->least = MIN(tally->least, book.n + pool.has_zeros);
    tally->most = MAX(tally->most, book.n + pool.has_zeros);
    return r;
}

/* ---- the pass ---- */

static void summarize(struct pass_context *context, const struct tally *t, uint32_t n_layers,
                      bool together) {
    char count[32];
    if (t->least == t->most)
        snprintf(count, sizeof(count), "%" PRIu32, t->most);
    else
        snprintf(count, sizeof(count), "%" PRIu32 " to %" PRIu32, t->least, t->most);
    snprintf(context->summary, sizeof(context->summary),
             "%zu weights of %" PRIu32
             " layers now have %s distinct values%s; the error is %.2g %% "
             "of the weights",
             t->n, n_layers, count,
             together       ? " together"
             : n_layers > 1 ? " each"
                            : "",
             t->total > 0 ? 100 * sqrt(t->error / t->total) : 0);
}

static int cluster_all(struct pass_context *context, const struct cluster_options *o,
                       const struct layers *layers, const struct moments *moments) {
    struct tally tally = {.least = UINT32_MAX};
    bool together = o->scope_of_codebook == CODEBOOK_NETWORK;
    uint32_t step = together ? layers->n : 1;
    int r = 0;
    for (uint32_t i = 0; i < layers->n && r == 0; i += step)
        r = cluster(context, o, &layers->items[i], moments ? &moments[i] : NULL, step, &tally);
    if (r == 0)
        summarize(context, &tally, layers->n, together);
    return r;
}

static int run(struct pass_context *context, const void *options) {
    const struct cluster_options *o = options;
    struct layers layers = {0};
    struct moments *moments = NULL;
    int r = pass_layers(context, &o->scope, layer_is_float, "a float layer", &layers);
    if (r == 0 && o->importance == IMPORTANCE_ACTIVATION)
        r = moments_collect(context, &layers, o->samples, 0, &moments);
    if (r == 0)
        r = cluster_all(context, o, &layers, moments);
    moments_free(moments, layers.n);
    return r;
}

static const char *const inits[] = {"linear", "density", "random", "optimal", NULL};
static const char *const importances[] = {"none", "activation", NULL};
static const char *const scopes[] = {"layer", "network", NULL};

static const struct pass_field fields[] = {
    {"bits", FIELD_COUNT, offsetof(struct cluster_options, bits), 1, 8, NAN, NULL,
     "a codebook has 2^bits values"},
    {"zero", FIELD_FLAG, offsetof(struct cluster_options, zero), 0, 0, 1, NULL,
     "weights that are 0 stay 0, which costs one value of the codebook where there are any; else "
     "they are weights like others"},
    {"init", FIELD_CHOICE, offsetof(struct cluster_options, init), 0, 0, KMEANS_LINEAR, inits,
     "where k-means starts: evenly over the range, at quantiles, by k-means++ with the recipe's "
     "seed, or at the clusters with the least error, by dynamic programming"},
    {"importance", FIELD_CHOICE, offsetof(struct cluster_options, importance), 0, 0,
     IMPORTANCE_NONE, importances,
     "activation: a weight's error counts by the mean square of its input on calibration data"},
    {"scope_of_codebook", FIELD_CHOICE, offsetof(struct cluster_options, scope_of_codebook), 0, 0,
     CODEBOOK_LAYER, scopes, "a codebook for each layer, or one for all of them"},
    {"samples", FIELD_COUNT, offsetof(struct cluster_options, samples), 1, 1e6, 512, NULL,
     "calibration samples that importance: activation looks at"},
    {0},
};

const struct pass pass_cluster = {
    .name = "cluster",
    .summary = "Few distinct weights: k-means codebooks",
    .fields = fields,
    .options_size = sizeof(struct cluster_options),
    .run = run,
};
