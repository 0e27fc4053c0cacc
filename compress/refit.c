/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each layer two runs: of the original, whose outputs before the activation are kept, and of the network as it is by
 * then, whose inputs are correlated with them.
 */

#include "compress/refit.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/layer.h"
#include "compress/linalg.h"
#include "compress/masked.h"
#include "compress/moments.h"
#include "compress/observe.h"
#include "compress/pass.h"
#include "compress/rows.h"
#include "kernels/blas.h"
#include "model/graph.h"

#define MAX_TARGETS ((size_t)1 << 24) /* values kept at a time */

/* ---- what the original computes ---- */

struct teacher {
    struct rows rows;
    const uint32_t *channels; /* NULL: all */
    uint32_t out;             /* number of them */
    float *weights;           /* [out][depth] */
    float *targets;           /* [rows][out], without the bias */
};

static void teacher_deinit(struct teacher *t) {
    rows_deinit(&t->rows);
    free(t->weights);
    free(t->targets);
}

static uint32_t channel(const struct teacher *t, uint32_t i) {
    return t->channels ? t->channels[i] : i;
}

static int teacher_init(struct teacher *t, const struct graph *graph, const struct layer *layer,
                        size_t n_samples, size_t max_rows) {
    int r = rows_init(&t->rows, graph, layer, n_samples, max_rows);
    if (r)
        return r;
    const float *w = layer_weights(graph, layer)->data;
    t->weights = malloc((size_t)t->out * layer->depth * sizeof(*t->weights));
    t->targets = calloc(rows_total(&t->rows, n_samples) * t->out, sizeof(*t->targets));
    if (!t->weights || !t->targets)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < t->out; i++)
        for (uint32_t k = 0; k < layer->depth; k++)
            t->weights[(size_t)i * layer->depth + k] = w[layer_index(layer, channel(t, i), k)];
    return 0;
}

/* All channels of an ungrouped layer in one product. */
static void teach_all(struct teacher *t, const struct rows *rows) {
    int depth = (int)rows->depth, out = (int)t->out;
    blas_gemm_f32((int)rows->n_block, out, depth, rows->block, depth, t->weights, depth,
                  t->targets + rows->n_flushed * t->out, out);
}

/* Channel by channel; value k of its inputs in row r is at x[r * row_step + k * step]. */
static void teach_one(struct teacher *t, const struct rows *rows, uint32_t i) {
    uint32_t group = channel(t, i) / (rows->out / rows->groups);
    const float *w = t->weights + (size_t)i * rows->depth;
    const float *x = rows->depthwise ? rows->block + group : rows_group(rows, group);
    size_t step = rows->depthwise ? rows->groups : 1;
    for (size_t r = 0; r < rows->n_block; r++) {
        float sum = 0;
        for (size_t k = 0; k < rows->depth; k++)
            sum += w[k] * x[r * rows->depth + k * step];
        t->targets[(rows->n_flushed + r) * t->out + i] = sum;
    }
}

static int teach(void *arg, const struct rows *rows) {
    struct teacher *t = arg;
    if (rows->groups == 1 && !rows->depthwise) {
        teach_all(t, rows);
        return 0;
    }
    for (uint32_t i = 0; i < t->out; i++)
        teach_one(t, rows, i);
    return 0;
}

static int see(void *arg, uint32_t which, const float *values, size_t n) {
    struct teacher *t = arg;
    return rows_add(&t->rows, values, teach, t);
}

static int teacher_run(struct teacher *t, const struct pass_context *context,
                       const struct graph *graph, const struct layer *layer, size_t n_samples) {
    int32_t input = layer_op(graph, layer)->inputs[0];
    int r = observe(graph, &input, 1, context->calibration, n_samples, context->tier, see, t,
                    context->diag);
    return r ? r : rows_finish(&t->rows, teach, t);
}

/* ---- one layer ---- */

struct fit {
    struct masked m;
    double *w, *residual; /* [out][depth] */
};

static void fit_deinit(struct fit *f) {
    free(f->m.h);
    free(f->m.kept);
    free(f->w);
    free(f->residual);
}

static int fit_init(struct fit *f, const struct graph *graph, const struct layer *l,
                    const struct moments *m) {
    size_t n = (size_t)l->out * l->depth;
    f->m = (struct masked){.out = l->out, .depth = l->depth, .groups = m->groups};
    f->m.h = masked_h_of(m, l->bias != GRAPH_NONE);
    f->m.kept = malloc(n);
    f->w = malloc(n * sizeof(*f->w));
    f->residual = malloc(n * sizeof(*f->residual));
    if (!f->m.h || !f->m.kept || !f->w || !f->residual)
        return err_origin(-ENOMEM);
    const float *w = layer_weights(graph, l)->data;
    for (uint32_t c = 0; c < l->out; c++) {
        for (uint32_t k = 0; k < l->depth; k++) {
            size_t at = (size_t)c * l->depth + k;
            f->w[at] = (double)w[layer_index(l, c, k)];
            f->m.kept[at] = f->w[at] != 0;
        }
    }
    return 0;
}

/* Means of each input times what the output lacks. */
static int find_residual(struct fit *f, const struct moments *m, bool centred, struct diag *diag) {
    double rows = (double)m->rows;
    int r = masked_multiply(&f->m, f->w, f->residual, diag);
    for (uint32_t c = 0; c < m->out && r == 0; c++) {
        const double *sum = m->sum + moments_group(m, c) * m->depth;
        double target = centred ? m->target_sum[c] / rows : 0;
        for (uint32_t k = 0; k < m->depth; k++) {
            size_t at = (size_t)c * m->depth + k;
            f->residual[at] = m->cross[at] / rows - target * sum[k] / rows - f->residual[at];
        }
    }
    return r;
}

/* The outputs' means become those of the targets, which lack the original's bias. */
static int store(const struct fit *f, const struct moments *m, struct graph *graph, struct layer *l,
                 const float *original_bias, const uint32_t *channels) {
    float *w = layer_edit_weights(graph, l);
    float *bias = l->bias == GRAPH_NONE ? NULL : layer_edit_bias(graph, l);
    if (!w || (l->bias != GRAPH_NONE && !bias))
        return err_origin(-ENOMEM);
    for (uint32_t c = 0; c < l->out; c++) {
        const double *sum = m->sum + moments_group(m, c) * m->depth;
        double mean = m->target_sum[c] / (double)m->rows;
        for (uint32_t k = 0; k < l->depth; k++) {
            double v = f->w[(size_t)c * l->depth + k];
            w[layer_index(l, c, k)] = (float)v;
            mean -= v * sum[k] / (double)m->rows;
        }
        if (bias)
            bias[c] = (original_bias ? original_bias[channels ? channels[c] : c] : 0) + (float)mean;
    }
    return 0;
}

static int fit_layer(struct pass_context *context, struct layer *l, const struct graph *original,
                     const struct layer *was, size_t n_samples, double damping,
                     const uint32_t *channels) {
    _cleanup_(teacher_deinit) struct teacher t = {.channels = channels, .out = l->out};
    _cleanup_(fit_deinit) struct fit f = {0};
    struct moments *m = NULL;
    size_t max_rows = MIN((size_t)MOMENTS_MAX_ROWS, MAX_TARGETS / l->out);
    int r = teacher_init(&t, original, was, n_samples, max_rows);
    if (r == 0)
        r = teacher_run(&t, context, original, was, n_samples);
    if (r == 0)
        r = moments_collect_targets(context, l, n_samples, max_rows, t.targets, &m);
    if (r == 0)
        r = fit_init(&f, context->graph, l, m);
    if (r == 0)
        r = find_residual(&f, m, l->bias != GRAPH_NONE, context->diag);
    if (r == 0)
        r = masked_solve(&f.m, damping, f.residual, f.w, context->diag);
    if (r == 0) {
        const struct tensor *bias = layer_bias(original, was);
        r = store(&f, m, context->graph, l, bias ? bias->data : NULL, channels);
    }
    moments_free(m, 1);
    return r;
}

int refit_network(struct pass_context *context, struct graph *original, size_t n_samples,
                  double damping, refit_channels_fn channels, void *arg) {
    struct layers now, before;
    int r = pass_need_calibration(context);
    if (r == 0)
        r = dataset_check(context->calibration, context->graph, "--calibrate", context->diag);
    if (r == 0)
        r = linalg_ready(context->diag);
    if (r == 0)
        r = layers_find(context->graph, &now);
    if (r == 0)
        r = layers_find(original, &before);
    for (uint32_t i = 0; r == 0 && i < now.n; i++) {
        struct layer *l = &now.items[i];
        const struct layer *was = layers_get(&before, l->name);
        if (was && layer_is_float(context->graph, l) && layer_is_float(original, was))
            r = fit_layer(context, l, original, was, moments_samples(context, n_samples), damping,
                          channels ? channels(arg, l->name) : NULL);
    }
    return r;
}
