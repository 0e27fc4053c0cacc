/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Gram matrix of a block of rows is one product of OpenBLAS, which is added to sums in double precision. Of a
 * depthwise convolution all channels of a pair of window positions are added in one loop.
 */

#include "compress/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/layer.h"
#include "compress/linalg.h"
#include "compress/observe.h"
#include "compress/pass.h"
#include "compress/rows.h"
#include "model/graph.h"

/* What is asked for, of each layer. */
struct request {
    size_t n_samples, max_rows;
    unsigned what;
    const float *targets; /* or NULL */
};

struct gatherer {
    struct rows rows;
    const float *targets;
    uint32_t which_in, which_out; /* places in the list of observed tensors */
    double *channels;             /* depthwise: [depth][depth][groups], the upper triangle */
    struct moments *m;
    struct diag *diag;
};

struct collection {
    struct gatherer *items;
    uint32_t n;
    int32_t *tensors; /* observed */
    uint32_t n_tensors;
};

/* ---- setting up ---- */

static int moments_init(struct moments *m, const struct layer *layer, uint32_t groups,
                        const struct request *request, struct diag *diag) {
    size_t n = (size_t)groups * layer->depth, bytes = 0;
    *m = (struct moments){.depth = layer->depth, .groups = groups, .out = layer->out};
    m->sum = calloc(n, sizeof(double));
    m->sum_abs = calloc(n, sizeof(double));
    m->sum_square = calloc(n, sizeof(double));
    if (!m->sum || !m->sum_abs || !m->sum_square)
        return err_origin(-ENOMEM);
    if (request->targets) {
        m->target_sum = calloc(layer->out, sizeof(double));
        m->cross = calloc((size_t)layer->out * layer->depth, sizeof(double));
        if (!m->target_sum || !m->cross)
            return err_origin(-ENOMEM);
    }
    if (request->what & MOMENTS_OUTPUT) {
        m->out_sum = calloc(layer->out, sizeof(double));
        m->out_sum_square = calloc(layer->out, sizeof(double));
        if (!m->out_sum || !m->out_sum_square)
            return err_origin(-ENOMEM);
    }
    if (!(request->what & MOMENTS_GRAM))
        return 0;
    if (!size_mul(n, layer->depth * sizeof(double), &bytes) || bytes > MOMENTS_MAX_BYTES)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "layers: %s has %u inputs: too many for second-order statistics",
                        layer->name, layer->depth);
    m->gram = calloc(1, bytes);
    return m->gram ? 0 : err_origin(-ENOMEM);
}

static int gatherer_init(struct gatherer *t, const struct graph *graph, const struct layer *layer,
                         const struct request *request, struct moments *m, struct diag *diag) {
    t->m = m;
    t->diag = diag;
    t->targets = request->targets;
    int r = rows_init(&t->rows, graph, layer, request->n_samples, request->max_rows);
    if (r == 0)
        r = moments_init(m, layer, t->rows.groups, request, diag);
    if (r || !layer->depthwise || !m->gram)
        return r;
    t->channels = calloc((size_t)m->groups * m->depth * m->depth, sizeof(*t->channels));
    return t->channels ? 0 : err_origin(-ENOMEM);
}

static uint32_t observed(struct collection *c, int32_t tensor) {
    for (uint32_t i = 0; i < c->n_tensors; i++)
        if (c->tensors[i] == tensor)
            return i;
    c->tensors[c->n_tensors] = tensor;
    return c->n_tensors++;
}

static int collection_init(struct collection *c, const struct pass_context *context,
                           const struct layers *layers, const struct request *request,
                           struct moments *moments) {
    c->items = calloc(layers->n, sizeof(*c->items));
    c->tensors = calloc(2 * (size_t)layers->n, sizeof(*c->tensors));
    if (!c->items || !c->tensors)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < layers->n; i++) {
        const struct layer *layer = &layers->items[i];
        const struct op *op = layer_op(context->graph, layer);
        struct gatherer *t = &c->items[c->n++];
        int r = gatherer_init(t, context->graph, layer, request, &moments[i], context->diag);
        if (r)
            return r;
        t->which_in = observed(c, op->inputs[0]);
        t->which_out = request->what & MOMENTS_OUTPUT ? observed(c, op->outputs[0]) : UINT32_MAX;
    }
    return 0;
}

static void collection_deinit(struct collection *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        rows_deinit(&c->items[i].rows);
        free(c->items[i].channels);
    }
    free(c->items);
    free(c->tensors);
}

/* ---- rows ---- */

static void add_sums(struct moments *m, size_t first, const float *row, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double v = (double)row[i];
        m->sum[first + i] += v;
        m->sum_abs[first + i] += fabs(v);
        m->sum_square[first + i] += v * v;
    }
}

/* Of the block's first row. */
static const float *targets_of(const struct gatherer *t, const struct rows *rows) {
    return t->targets + rows->n_flushed * t->m->out;
}

static int add_rows(struct gatherer *t, const struct rows *rows) {
    struct moments *m = t->m;
    size_t depth = m->depth, outs = m->out / m->groups;
    int r = 0;
    for (size_t i = 0; i < m->groups && r == 0; i++) {
        const float *block = rows_group(rows, i);
        for (size_t k = 0; k < rows->n_block; k++)
            add_sums(m, i * depth, block + k * depth, depth);
        if (m->gram)
            r = linalg_add_gram_f32(rows->n_block, depth, block, m->gram + i * depth * depth,
                                    t->diag);
        if (r == 0 && t->targets)
            r = linalg_add_product_f32(rows->n_block, outs, depth, targets_of(t, rows) + i * outs,
                                       m->out, block, m->cross + i * outs * depth, t->diag);
    }
    return r;
}

/* ---- depthwise ---- */

/* The row is [depth][channels]; sums are kept in that order until the end. */
static void add_channels(struct gatherer *t, const struct rows *rows) {
    size_t channels = t->m->groups, depth = t->m->depth;
    add_sums(t->m, 0, rows->block, channels * depth);
    for (size_t i = 0; t->channels && i < depth; i++) {
        for (size_t j = i; j < depth; j++) {
            const float *a = rows->block + i * channels, *b = rows->block + j * channels;
            double *sum = t->channels + (i * depth + j) * channels;
            for (size_t c = 0; c < channels; c++)
                sum[c] += (double)a[c] * (double)b[c];
        }
    }
}

static void add_channel_targets(struct gatherer *t, const struct rows *rows) {
    struct moments *m = t->m;
    const float *targets = targets_of(t, rows);
    size_t multiplier = m->out / m->groups;
    for (size_t c = 0; c < m->out; c++)
        for (size_t k = 0; k < m->depth; k++)
            m->cross[c * m->depth + k] +=
                (double)targets[c] * (double)rows->block[k * m->groups + c / multiplier];
}

static int take_rows(void *arg, const struct rows *rows) {
    struct gatherer *t = arg;
    t->m->rows += rows->n_block;
    for (size_t i = 0; t->targets && i < rows->n_block * t->m->out; i++)
        t->m->target_sum[i % t->m->out] += (double)targets_of(t, rows)[i];
    if (!rows->depthwise)
        return add_rows(t, rows);
    add_channels(t, rows);
    if (t->targets)
        add_channel_targets(t, rows);
    return 0;
}

/* [depth][channels] to [channels][depth]. */
static int transpose_sums(double *sums, size_t depth, size_t channels) {
    double *copy = malloc(depth * channels * sizeof(*copy));
    if (!copy)
        return err_origin(-ENOMEM);
    memcpy(copy, sums, depth * channels * sizeof(*copy));
    for (size_t k = 0; k < depth; k++)
        for (size_t c = 0; c < channels; c++)
            sums[c * depth + k] = copy[k * channels + c];
    free(copy);
    return 0;
}

static int finish_channels(struct gatherer *t) {
    struct moments *m = t->m;
    size_t channels = m->groups, depth = m->depth;
    int r = transpose_sums(m->sum, depth, channels);
    if (r == 0)
        r = transpose_sums(m->sum_abs, depth, channels);
    if (r == 0)
        r = transpose_sums(m->sum_square, depth, channels);
    for (size_t c = 0; m->gram && c < channels; c++) {
        double *gram = m->gram + c * depth * depth;
        for (size_t i = 0; i < depth; i++)
            for (size_t j = i; j < depth; j++)
                gram[i * depth + j] = gram[j * depth + i] =
                    t->channels[(i * depth + j) * channels + c];
    }
    return r;
}

/* ---- samples ---- */

static void add_output(struct moments *m, const float *values, size_t n) {
    for (size_t i = 0; i < n; i += m->out) {
        for (size_t c = 0; c < m->out; c++) {
            double v = (double)values[i + c];
            m->out_sum[c] += v;
            m->out_sum_square[c] += v * v;
        }
    }
    m->out_rows += n / m->out;
}

static int see(void *arg, uint32_t which, const float *values, size_t n) {
    struct collection *c = arg;
    for (uint32_t i = 0; i < c->n; i++) {
        struct gatherer *t = &c->items[i];
        int r = t->which_in == which ? rows_add(&t->rows, values, take_rows, t) : 0;
        if (r)
            return r;
        if (t->which_out == which)
            add_output(t->m, values, n);
    }
    return 0;
}

static int finish(struct gatherer *t) {
    struct moments *m = t->m;
    int r = rows_finish(&t->rows, take_rows, t);
    if (r == 0 && t->rows.depthwise)
        return finish_channels(t);
    for (size_t i = 0; m->gram && i < m->groups; i++)
        linalg_mirror(m->depth, m->gram + i * m->depth * m->depth);
    return r;
}

static int collect(struct collection *c, const struct pass_context *context, size_t n_samples) {
    int r = observe(context->graph, c->tensors, c->n_tensors, context->calibration, n_samples,
                    context->tier, see, c, context->diag);
    for (uint32_t i = 0; i < c->n && r == 0; i++)
        r = finish(&c->items[i]);
    return r;
}

size_t moments_samples(const struct pass_context *context, size_t n_samples) {
    size_t all = context->calibration->n;
    return n_samples ? MIN(n_samples, all) : all;
}

static int collect_moments(const struct pass_context *context, const struct layers *layers,
                           const struct request *request, struct moments **ret_moments) {
    int r = dataset_check(context->calibration, context->graph, "--calibrate", context->diag);
    if (r == 0 && request->what & MOMENTS_GRAM)
        r = linalg_ready(context->diag);
    if (r)
        return r;
    struct moments *moments = calloc(layers->n, sizeof(*moments));
    if (!moments)
        return err_origin(-ENOMEM);
    _cleanup_(collection_deinit) struct collection c = {0};
    r = collection_init(&c, context, layers, request, moments);
    if (r == 0)
        r = collect(&c, context, request->n_samples);
    if (r) {
        moments_free(moments, layers->n);
        return r;
    }
    *ret_moments = moments;
    return 0;
}

int moments_collect(const struct pass_context *context, const struct layers *layers,
                    size_t n_samples, unsigned what, struct moments **ret_moments) {
    int r = pass_need_calibration(context);
    if (r)
        return r;
    struct request request = {.n_samples = moments_samples(context, n_samples),
                              .max_rows = MOMENTS_MAX_ROWS,
                              .what = what};
    return collect_moments(context, layers, &request, ret_moments);
}

int moments_collect_targets(const struct pass_context *context, const struct layer *layer,
                            size_t n_samples, size_t max_rows, const float *targets,
                            struct moments **ret_moments) {
    struct layer copy = *layer;
    struct layers one = {.items = &copy, .n = 1};
    struct request request = {.n_samples = moments_samples(context, n_samples),
                              .max_rows = max_rows,
                              .what = MOMENTS_GRAM,
                              .targets = targets};
    return collect_moments(context, &one, &request, ret_moments);
}

struct moments *moments_free(struct moments *moments, size_t n) {
    for (size_t i = 0; moments && i < n; i++) {
        free(moments[i].sum);
        free(moments[i].sum_abs);
        free(moments[i].sum_square);
        free(moments[i].gram);
        free(moments[i].target_sum);
        free(moments[i].cross);
        free(moments[i].out_sum);
        free(moments[i].out_sum_square);
    }
    free(moments);
    return NULL;
}
