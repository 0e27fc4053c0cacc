/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `quantize`: weights and activations in int8, as TensorFlow Lite's reference kernels compute (Jacob et al.
 * 2018, arXiv 1712.05877): activations asymmetric with one scale, weights symmetric, biases of 32 bits.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/bias-correction.h"
#include "compress/calibrate.h"
#include "compress/dataset.h"
#include "compress/grid.h"
#include "compress/moments.h"
#include "compress/passes.h"
#include "compress/quantize-plan.h"
#include "compress/quantize.h"
#include "compress/rounding.h"
#include "model/graph-edit.h"
#include "model/graph.h"

#define MAX_BIAS 0x1p30 /* of a bias in units of the accumulator */

static const char *const granularities[] = {"tensor", "channel", NULL};
static const char *const io_forms[] = {"int8", "float", NULL};

static const struct pass_field fields[] = {
    {"calibration", FIELD_CHOICE, offsetof(struct quantize_options, calibration), 0, 0,
     CALIBRATE_PERCENTILE, calibrate_methods,
     "range of an activation: minmax (all that the calibration data shows), percentile, mse (least "
     "squared error), kl (least loss of information, as TensorRT)"},
    {"percentile", FIELD_NUMBER, offsetof(struct quantize_options, percentile), 50, 100, 99.99,
     NULL, "with calibration percentile: values beyond it are clipped, at either end"},
    {"granularity", FIELD_CHOICE, offsetof(struct quantize_options, granularity), 0, 0,
     QUANTIZE_CHANNEL, granularities,
     "weights that share a scale: tensor (a layer), channel (an output channel)"},
    ROUNDING_FIELDS(quantize_options, rounding, GRID_MAX),
    {"bias_correction", FIELD_FLAG, offsetof(struct quantize_options, bias_correction), 0, 0, false,
     NULL, "biases make up for what quantization does to the mean results of the layers"},
    {"io", FIELD_CHOICE, offsetof(struct quantize_options, io), 0, 0, QUANTIZE_IO_INT8, io_forms,
     "inputs and outputs of the network: int8 (callers may still hand over FP32, which is "
     "converted), "
     "float (they keep their datatype, and a SOFTMAX, LOGISTIC or TANH at the end computes in it)"},
    {0},
};

struct quantizer {
    struct pass_context *context;
    const struct quantize_options *options;
    struct layers *layers;
    struct quantize_plan plan;
    struct moments *moments; /* of the layers' inputs, or NULL */
    double *means;           /* of the layers' results, or NULL */
};

static const struct layer *layer_of(const struct quantizer *q, uint32_t op) {
    for (uint32_t i = 0; i < q->layers->n; i++)
        if (q->layers->items[i].op == op)
            return &q->layers->items[i];
    return NULL;
}

/* ---- weights ---- */

/* No bias is so large beside the scales that it would not fit: a channel's scale grows where it must. */
static void fit_biases(struct grid *grid, const float *bias, float in_scale) {
    for (uint32_t c = 0; c < grid->rows && bias; c++) {
        float least = (float)(fabs((double)bias[c]) / MAX_BIAS / (double)in_scale);
        float *scale = &grid->scales[grid_scale_index(grid, c, 0)];
        *scale = fmaxf(*scale, least);
    }
}

static int add_const(struct graph *graph, const struct tensor *like, enum dtype dtype,
                     const void *data, int32_t *ret_tensor) {
    struct tensor t = *like;
    t.dtype = dtype;
    t.kind = TENSOR_CONST;
    t.quant = (struct quant){0};
    t.data = data;
    t.size = tensor_elements(&t) * dtype_size(dtype);
    int r = graph_add_tensor(graph, &t, ret_tensor);
    return r > 0 ? COMPRESS_E_INVALID : r;
}

static int put_weights(struct graph *graph, const struct layer *layer, const struct grid *grid,
                       int32_t *ret_tensor) {
    size_t n = (size_t)grid->rows * grid->depth;
    int8_t *codes = graph_alloc(graph, n);
    float *scales = graph_alloc(graph, grid->n_scales * sizeof(*scales));
    if (!codes || !scales)
        return err_origin(-ENOMEM);
    memcpy(scales, grid->scales, grid->n_scales * sizeof(*scales));
    for (uint32_t c = 0; c < grid->rows; c++)
        for (uint32_t k = 0; k < grid->depth; k++)
            codes[layer_index(layer, c, k)] = (int8_t)grid->q[(size_t)c * grid->depth + k];
    int r = add_const(graph, layer_weights(graph, layer), DTYPE_INT8, codes, ret_tensor);
    if (r)
        return r;
    graph->tensors[*ret_tensor].quant =
        (struct quant){.scales = scales,
                       .n_scales = grid->n_scales,
                       .axis = layer->depthwise && grid->n_scales > 1 ? 3 : 0};
    return 0;
}

static int put_bias(struct graph *graph, const struct layer *layer, const struct grid *grid,
                    float in_scale, int32_t *ret_tensor) {
    const float *bias = layer_bias(graph, layer)->data;
    int32_t *sums = graph_alloc(graph, layer->out * sizeof(*sums));
    if (!sums)
        return err_origin(-ENOMEM);
    for (uint32_t c = 0; c < layer->out; c++) {
        double unit = (double)in_scale * (double)grid_scale(grid, c, 0);
        sums[c] = (int32_t)fmin(fmax(round((double)bias[c] / unit), -MAX_BIAS), MAX_BIAS);
    }
    return add_const(graph, layer_bias(graph, layer), DTYPE_INT32, sums, ret_tensor);
}

static int quantize_layer(void *arg, uint32_t op, int32_t *inputs) {
    struct quantizer *q = arg;
    struct graph *graph = q->context->graph;
    const struct layer *layer = layer_of(q, op);
    float in_scale = q->plan.affine[graph->ops[op].inputs[0]].scale;
    const struct rounding_options *rounding = &q->options->rounding;
    const struct moments *moments = q->moments ? &q->moments[layer - q->layers->items] : NULL;
    _cleanup_(grid_deinit) struct grid grid = {0};
    bool by_channel = q->options->granularity == QUANTIZE_CHANNEL && !q->options->scales;
    int r = grid_init(&grid, graph, layer, by_channel ? layer->depth : 0, -127, 127);
    if (r)
        return r;
    if (q->options->scales)
        grid.scales[0] = q->options->scales[layer - q->layers->items];
    else
        grid_choose_scales(&grid, (enum grid_range)rounding->weights);
    if (layer->bias != GRAPH_NONE)
        fit_biases(&grid, layer_bias(graph, layer)->data, in_scale);
    r = rounding_apply(q->context, &grid, rounding, moments);
    if (r == 0)
        r = put_weights(graph, layer, &grid, &inputs[1]);
    if (r == 0 && layer->bias != GRAPH_NONE)
        r = put_bias(graph, layer, &grid, in_scale, &inputs[2]);
    return r;
}

/* ---- the pass ---- */

static int observe_ranges(struct quantizer *q) {
    struct pass_context *context = q->context;
    const struct quantize_options *o = q->options;
    struct graph *graph = context->graph;
    int32_t *tensors = graph_alloc(graph, graph->n_tensors * sizeof(*tensors));
    struct range *ranges = graph_alloc(graph, graph->n_tensors * sizeof(*ranges));
    if (!tensors || !ranges)
        return err_origin(-ENOMEM);
    uint32_t n = quantize_plan_observed(&q->plan, graph, tensors);
    struct calibrate_options options = {.method = o->calibration,
                                        .percentile = o->percentile,
                                        .samples = o->rounding.samples,
                                        .levels = 256};
    int r = calibrate(context, tensors, n, &options, ranges);
    for (uint32_t i = 0; i < n && r == 0; i++)
        q->plan.ranges[tensors[i]] = ranges[i];
    return r;
}

/* What has to be known of the float network. */
static int look_at_float(struct quantizer *q) {
    const struct quantize_options *o = q->options;
    int r = 0;
    /* First, since layers without a bias get one, and the plan counts tensors. */
    if (o->bias_correction)
        r = bias_expected(q->context, q->layers, o->rounding.samples, &q->means);
    if (r == 0)
        r = quantize_plan_init(&q->plan, q->context->graph, q->layers, o->io == QUANTIZE_IO_INT8);
    if (r == 0)
        r = observe_ranges(q);
    if (r == 0)
        r = rounding_prepare(q->context, q->layers, &o->rounding, &q->moments);
    return r;
}

static int make_int8(struct quantizer *q) {
    struct pass_context *context = q->context;
    struct quantize_build build = {.plan = &q->plan,
                                   .io_int8 = q->options->io == QUANTIZE_IO_INT8,
                                   .layer = quantize_layer,
                                   .arg = q};
    quantize_plan_scales(&q->plan, context->graph, q->options->fixed_bits);
    int r = quantize_rebuild(context->graph, &build);
    if (r == 0)
        r = graph_sweep(context->graph);
    if (r == 0)
        r = pass_check_result(context);
    if (r == 0 && q->means)
        r = bias_correct(context, q->layers, q->options->rounding.samples, q->means);
    return r;
}

int quantize_layers(struct pass_context *context, struct layers *layers,
                    const struct quantize_options *options) {
    struct quantizer q = {.context = context, .options = options, .layers = layers};
    int r = look_at_float(&q);
    if (r == 0)
        r = make_int8(&q);
    moments_free(q.moments, layers->n);
    free(q.means);
    return r;
}

static void summarize(struct pass_context *context, const struct quantize_options *o, uint32_t n,
                      uint32_t n_all) {
    snprintf(
        context->summary, sizeof(context->summary),
        "%u of %u layers in int8, weights per %s rounded %s, activations by %s over %u samples%s",
        n, n_all, granularities[o->granularity], grid_roundings[o->rounding.rounding],
        calibrate_methods[o->calibration],
        (unsigned)MIN(o->rounding.samples, context->calibration->n),
        o->bias_correction ? ", biases corrected" : "");
}

static int run(struct pass_context *context, const void *arg) {
    const struct quantize_options *options = arg;
    struct layers layers, all;
    int r = pass_need_calibration(context);
    if (r == 0)
        r = quantize_fuse_activations(context->graph);
    if (r == 0)
        r = layers_find(context->graph, &all);
    if (r == 0)
        r = pass_layers(context, &options->scope, layer_is_float, "a float layer", &layers);
    if (r == 0)
        r = quantize_layers(context, &layers, options);
    if (r == 0)
        summarize(context, options, layers.n, all.n);
    return r;
}

const struct pass pass_quantize = {
    .name = "quantize",
    .summary = "weights and activations in int8, with scales from calibration data",
    .fields = fields,
    .options_size = sizeof(struct quantize_options),
    .run = run,
};
