/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are gathered into blocks in single precision; the Gram matrix of a block is one product of OpenBLAS, which is
 * added to sums in double precision. Depthwise convolutions keep the channels innermost instead: their matrices are
 * many and tiny, and all channels of a pair of window positions are added in one loop.
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
#include "model/graph.h"

#define BLOCK_VALUES ((size_t)1 << 18) /* of a block, about */
#define MAX_BLOCK_ROWS 2048

/* How a layer is seen: a matrix product is a convolution with a 1 x 1 window over a 1 x n picture. */
struct geometry {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w;
    int32_t kernel_h, kernel_w, group_c;
    struct op_conv conv;
};

struct gatherer {
    struct geometry g;
    bool depthwise;
    uint32_t which_in, which_out; /* places in the list of observed tensors */
    uint32_t positions, take, stride;
    uint64_t next;    /* rows begun, over all samples */
    size_t block_max; /* rows of a block */
    size_t n_block;
    float *block;     /* [groups][block_max][depth]; depthwise: one row [depth][groups] */
    double *channels; /* depthwise: [depth][depth][groups], the upper triangle */
    struct moments *m;
    unsigned what;
};

struct collection {
    struct gatherer *items;
    uint32_t n;
    int32_t *tensors; /* observed */
    uint32_t n_tensors;
    struct diag *diag;
};

/* ---- setting up ---- */

static struct geometry geometry_of(const struct graph *graph, const struct layer *layer) {
    const struct tensor *x = layer_input(graph, layer), *w = layer_weights(graph, layer);
    const struct op *op = layer_op(graph, layer);
    const struct tensor *y = &graph->tensors[op->outputs[0]];
    if (op->kind == OP_FULLY_CONNECTED) {
        int32_t rows = (int32_t)(tensor_elements(x) / layer->depth), depth = (int32_t)layer->depth;
        return (struct geometry){.in_h = 1,
                                 .in_w = rows,
                                 .in_c = depth,
                                 .out_h = 1,
                                 .out_w = rows,
                                 .kernel_h = 1,
                                 .kernel_w = 1,
                                 .group_c = depth,
                                 .conv = {1, 1, 1, 1, 0, 0, 0, 0}};
    }
    return (struct geometry){.in_h = x->dims[1],
                             .in_w = x->dims[2],
                             .in_c = x->dims[3],
                             .out_h = y->dims[1],
                             .out_w = y->dims[2],
                             .kernel_h = w->dims[1],
                             .kernel_w = w->dims[2],
                             .group_c = layer->depthwise ? 1 : w->dims[3],
                             .conv = op->conv};
}

static uint32_t gcd(uint32_t a, uint32_t b) {
    return b ? gcd(b, a % b) : a;
}

/* Positions i * stride modulo `positions` are spread evenly for any run of i, and all come before one comes twice. */
static uint32_t even_stride(uint32_t positions) {
    uint32_t stride = (uint32_t)(positions * 0.6180339887) | 1;
    while (gcd(stride, positions) != 1)
        stride++;
    return stride;
}

static void plan_rows(struct gatherer *t, size_t n_samples) {
    t->positions = (uint32_t)t->g.out_h * (uint32_t)t->g.out_w;
    size_t most = MAX(MOMENTS_MAX_ROWS / n_samples, (size_t)1);
    t->take = (uint32_t)MIN(most, (size_t)t->positions);
    t->stride = t->take == t->positions ? 1 : even_stride(t->positions);
}

static int moments_init(struct moments *m, const struct layer *layer, uint32_t groups,
                        unsigned what, struct diag *diag) {
    size_t n = (size_t)groups * layer->depth, bytes = 0;
    *m = (struct moments){.depth = layer->depth, .groups = groups, .out = layer->out};
    m->sum = calloc(n, sizeof(double));
    m->sum_abs = calloc(n, sizeof(double));
    m->sum_square = calloc(n, sizeof(double));
    if (!m->sum || !m->sum_abs || !m->sum_square)
        return err_origin(-ENOMEM);
    if (what & MOMENTS_OUTPUT) {
        m->out_sum = calloc(layer->out, sizeof(double));
        m->out_sum_square = calloc(layer->out, sizeof(double));
        if (!m->out_sum || !m->out_sum_square)
            return err_origin(-ENOMEM);
    }
    if (!(what & MOMENTS_GRAM))
        return 0;
    if (!size_mul(n, layer->depth * sizeof(double), &bytes) || bytes > MOMENTS_MAX_BYTES)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "layers: %s has %u inputs: too many for second-order statistics",
                        layer->name, layer->depth);
    m->gram = calloc(1, bytes);
    return m->gram ? 0 : err_origin(-ENOMEM);
}

static int gatherer_init(struct gatherer *t, const struct graph *graph, const struct layer *layer,
                         size_t n_samples, unsigned what, struct moments *m, struct diag *diag) {
    t->g = geometry_of(graph, layer);
    t->depthwise = layer->depthwise;
    t->what = what;
    t->m = m;
    int r = moments_init(m, layer, (uint32_t)(t->g.in_c / t->g.group_c), what, diag);
    if (r)
        return r;
    plan_rows(t, n_samples);
    size_t n = (size_t)m->groups * m->depth;
    t->block_max = t->depthwise ? 1 : MAX(MIN(BLOCK_VALUES / n, (size_t)MAX_BLOCK_ROWS), 1UL);
    t->block = calloc(t->block_max * n, sizeof(*t->block));
    if (t->depthwise && what & MOMENTS_GRAM)
        t->channels = calloc(n * m->depth, sizeof(*t->channels));
    return t->block && (!m->gram || !t->depthwise || t->channels) ? 0 : err_origin(-ENOMEM);
}

static uint32_t observed(struct collection *c, int32_t tensor) {
    for (uint32_t i = 0; i < c->n_tensors; i++)
        if (c->tensors[i] == tensor)
            return i;
    c->tensors[c->n_tensors] = tensor;
    return c->n_tensors++;
}

static int collection_init(struct collection *c, const struct pass_context *context,
                           const struct layers *layers, size_t n_samples, unsigned what,
                           struct moments *moments) {
    c->diag = context->diag;
    c->items = calloc(layers->n, sizeof(*c->items));
    c->tensors = calloc(2 * (size_t)layers->n, sizeof(*c->tensors));
    if (!c->items || !c->tensors)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < layers->n; i++) {
        const struct layer *layer = &layers->items[i];
        const struct op *op = layer_op(context->graph, layer);
        struct gatherer *t = &c->items[c->n++];
        int r =
            gatherer_init(t, context->graph, layer, n_samples, what, &moments[i], context->diag);
        if (r)
            return r;
        t->which_in = observed(c, op->inputs[0]);
        t->which_out = what & MOMENTS_OUTPUT ? observed(c, op->outputs[0]) : UINT32_MAX;
    }
    return 0;
}

static void collection_deinit(struct collection *c) {
    for (uint32_t i = 0; i < c->n; i++) {
        free(c->items[i].block);
        free(c->items[i].channels);
    }
    free(c->items);
    free(c->tensors);
}

/* ---- rows ---- */

/* The input at position (y, x) of the window over output position `at`; NULL in the padding. */
static const float *pixel(const struct geometry *g, const float *values, uint32_t at, int32_t y,
                          int32_t x) {
    int64_t row = (int64_t)(at / (uint32_t)g->out_w) * g->conv.stride_h - g->conv.pad_top +
                  (int64_t)y * g->conv.dilation_h;
    int64_t col = (int64_t)(at % (uint32_t)g->out_w) * g->conv.stride_w - g->conv.pad_left +
                  (int64_t)x * g->conv.dilation_w;
    if (row < 0 || row >= g->in_h || col < 0 || col >= g->in_w)
        return NULL;
    return values + ((size_t)row * (size_t)g->in_w + (size_t)col) * (size_t)g->in_c;
}

/* One row of each group, row n_block of the block. */
static void gather(struct gatherer *t, const float *values, uint32_t at) {
    const struct geometry *g = &t->g;
    size_t depth = t->m->depth, group_c = (size_t)g->group_c, k = 0;
    for (int32_t y = 0; y < g->kernel_h; y++) {
        for (int32_t x = 0; x < g->kernel_w; x++, k += group_c) {
            const float *from = pixel(g, values, at, y, x);
            for (size_t i = 0; i < t->m->groups; i++) {
                float *to = t->block + (i * t->block_max + t->n_block) * depth + k;
                if (from)
                    memcpy(to, from + i * group_c, group_c * sizeof(*to));
                else
                    memset(to, 0, group_c * sizeof(*to));
            }
        }
    }
    t->n_block++;
}

static void add_sums(struct moments *m, size_t first, const float *row, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double v = (double)row[i];
        m->sum[first + i] += v;
        m->sum_abs[first + i] += fabs(v);
        m->sum_square[first + i] += v * v;
    }
}

static int flush(struct gatherer *t, struct diag *diag) {
    struct moments *m = t->m;
    size_t depth = m->depth;
    int r = 0;
    if (t->n_block == 0)
        return 0;
    for (size_t i = 0; i < m->groups && r == 0; i++) {
        const float *rows = t->block + i * t->block_max * depth;
        for (size_t k = 0; k < t->n_block; k++)
            add_sums(m, i * depth, rows + k * depth, depth);
        if (m->gram)
            r = linalg_add_gram_f32(t->n_block, depth, rows, m->gram + i * depth * depth, diag);
    }
    t->n_block = 0;
    return r;
}

/* ---- depthwise ---- */

/* The rows of all channels side by side: [depth][channels]. Sums are kept in that order until the end. */
static void gather_channels(struct gatherer *t, const float *values, uint32_t at) {
    const struct geometry *g = &t->g;
    size_t channels = t->m->groups, k = 0;
    for (int32_t y = 0; y < g->kernel_h; y++) {
        for (int32_t x = 0; x < g->kernel_w; x++, k++) {
            const float *from = pixel(g, values, at, y, x);
            float *to = t->block + k * channels;
            if (from)
                memcpy(to, from, channels * sizeof(*to));
            else
                memset(to, 0, channels * sizeof(*to));
        }
    }
}

static void add_channels(struct gatherer *t) {
    size_t channels = t->m->groups, depth = t->m->depth;
    add_sums(t->m, 0, t->block, channels * depth);
    for (size_t i = 0; t->channels && i < depth; i++) {
        for (size_t j = i; j < depth; j++) {
            const float *a = t->block + i * channels, *b = t->block + j * channels;
            double *sum = t->channels + (i * depth + j) * channels;
            for (size_t c = 0; c < channels; c++)
                sum[c] += (double)a[c] * (double)b[c];
        }
    }
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

static int add_input(struct gatherer *t, const float *values, struct diag *diag) {
    for (uint32_t i = 0; i < t->take; i++, t->next++) {
        uint32_t at = (uint32_t)(t->next % t->positions * t->stride % t->positions);
        int r = 0;
        if (t->depthwise) {
            gather_channels(t, values, at);
            add_channels(t);
        } else {
            gather(t, values, at);
            r = t->n_block == t->block_max ? flush(t, diag) : 0;
        }
        if (r)
            return r;
    }
    t->m->rows += t->take;
    return 0;
}

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
        int r = t->which_in == which ? add_input(t, values, c->diag) : 0;
        if (r)
            return r;
        if (t->which_out == which)
            add_output(t->m, values, n);
    }
    return 0;
}

static int finish(struct gatherer *t, struct diag *diag) {
    struct moments *m = t->m;
    if (t->depthwise)
        return finish_channels(t);
    int r = flush(t, diag);
    for (size_t i = 0; m->gram && i < m->groups; i++)
        linalg_mirror(m->depth, m->gram + i * m->depth * m->depth);
    return r;
}

static int collect(struct collection *c, const struct pass_context *context, size_t n_samples) {
    int r = observe(context->graph, c->tensors, c->n_tensors, context->calibration, n_samples,
                    context->tier, see, c, context->diag);
    for (uint32_t i = 0; i < c->n && r == 0; i++)
        r = finish(&c->items[i], c->diag);
    return r;
}

int moments_collect(const struct pass_context *context, const struct layers *layers,
                    size_t n_samples, unsigned what, struct moments **ret_moments) {
    int r = pass_need_calibration(context);
    if (r == 0)
        r = dataset_check(context->calibration, context->graph, "--calibrate", context->diag);
    if (r == 0 && what & MOMENTS_GRAM)
        r = linalg_ready(context->diag);
    if (r)
        return r;
    size_t all = context->calibration->n;
    n_samples = n_samples ? MIN(n_samples, all) : all;
    struct moments *moments = calloc(layers->n, sizeof(*moments));
    if (!moments)
        return err_origin(-ENOMEM);
    _cleanup_(collection_deinit) struct collection c = {0};
    r = collection_init(&c, context, layers, n_samples, what, moments);
    if (r == 0)
        r = collect(&c, context, n_samples);
    if (r) {
        moments_free(moments, layers->n);
        return r;
    }
    *ret_moments = moments;
    return 0;
}

struct moments *moments_free(struct moments *moments, size_t n) {
    for (size_t i = 0; moments && i < n; i++) {
        free(moments[i].sum);
        free(moments[i].sum_abs);
        free(moments[i].sum_square);
        free(moments[i].gram);
        free(moments[i].out_sum);
        free(moments[i].out_sum_square);
    }
    free(moments);
    return NULL;
}
