/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `quantize-weights`: weights of 4 or 8 bits under float activations, which the kernels quantize while they run
 * ("dynamic"). With 4 bits a scale for a group of weights keeps the error small.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/bias-correction.h"
#include "compress/grid.h"
#include "compress/moments.h"
#include "compress/passes.h"
#include "compress/rounding.h"
#include "model/graph-edit.h"
#include "model/graph.h"

#define MIN_GROUP 8 /* smaller ones would hold more scales than weights are worth */

enum { PER_TENSOR, PER_CHANNEL, PER_GROUP };

struct weights_options {
    struct pass_scope scope;
    uint32_t bits;
    int granularity;
    uint32_t group;
    bool bias_correction;
    struct rounding_options rounding;
};

static const char *const granularities[] = {"tensor", "channel", "group", NULL};

static const struct pass_field fields[] = {
    {"bits", FIELD_COUNT, offsetof(struct weights_options, bits), 4, 8, 8, NULL,
     "of a weight: 4 or 8; depthwise layers and those with an odd number of weights per output "
     "channel get 8"},
    {"granularity", FIELD_CHOICE, offsetof(struct weights_options, granularity), 0, 0, PER_CHANNEL,
     granularities,
     "weights that share a scale: tensor (a layer), channel (an output channel), group (some "
     "consecutive ones of an output channel; depthwise layers: channel)"},
    {"group", FIELD_COUNT, offsetof(struct weights_options, group), 1, 65536, 32, NULL,
     "with granularity group: how many; must divide the weights of an output channel of layers "
     "called by their names, others take the largest divisor that is not larger (per channel where "
     "that is below 8)"},
    ROUNDING_FIELDS(weights_options, rounding, GRID_MSE),
    {"bias_correction", FIELD_FLAG, offsetof(struct weights_options, bias_correction), 0, 0, false,
     NULL, "biases make up for what quantization does to the mean results of the layers"},
    {0},
};

struct weights_pass {
    struct pass_context *context;
    const struct weights_options *options;
    struct layers layers;
    unsigned n_four, n_other_group; /* layers with 4 bits; with another group than asked for */
};

static int check(const void *arg, struct diag *diag) {
    const struct weights_options *o = arg;
    if (o->bits != 4 && o->bits != 8)
        return diag_set(diag, COMPRESS_E_INVALID, "bits: must be 4 or 8, not %u", o->bits);
    return 0;
}

/* ---- groups ---- */

/* Whether the recipe calls the layer by its own name. */
static bool is_named(const struct pass_scope *scope, const struct layer *layer) {
    for (size_t i = 0; i < scope->layers.n; i++)
        if (strcmp(scope->layers.items[i], layer->name) == 0)
            return true;
    return false;
}

/* Weights that share a scale, 0: all of the layer. */
static int choose_group(struct weights_pass *p, const struct layer *layer, uint32_t *ret_group) {
    const struct weights_options *o = p->options;
    if (o->granularity != PER_GROUP || layer->depthwise) {
        *ret_group = o->granularity == PER_TENSOR ? 0 : layer->depth;
        return 0;
    }
    uint32_t group = MIN(o->group, layer->depth);
    if (layer->depth % group && is_named(&p->options->scope, layer))
        return diag_set(p->context->diag, COMPRESS_E_INVALID,
                        "group: %u does not divide the %u weights of an output channel of %s",
                        group, layer->depth, layer->name);
    while (layer->depth % group)
        group--;
    if (group < MIN(o->group, (uint32_t)MIN_GROUP))
        group = layer->depth;
    p->n_other_group += group != o->group;
    *ret_group = group;
    return 0;
}

static unsigned choose_bits(const struct weights_pass *p, const struct layer *layer) {
    return layer->depthwise || layer->depth % 2 ? 8 : p->options->bits;
}

/* ---- one layer ---- */

static void pack(const struct layer *layer, const struct grid *grid, unsigned bits,
                 uint8_t *ret_codes) {
    for (uint32_t c = 0; c < grid->rows; c++)
        for (uint32_t k = 0; k < grid->depth; k++) {
            size_t i = layer_index(layer, c, k);
            int32_t q = grid->q[(size_t)c * grid->depth + k];
            if (bits == 8)
                ret_codes[i] = (uint8_t)q;
            else
                ret_codes[i / 2] |= (uint8_t)((q & 15) << i % 2 * 4);
        }
}

/* A tensor of the layer's name that takes the place of its weights. */
static int put_weights(struct graph *graph, const struct layer *layer, const struct grid *grid,
                       unsigned bits) {
    struct tensor t = *layer_weights(graph, layer);
    t.dtype = bits == 4 ? DTYPE_INT4 : DTYPE_INT8;
    t.size = dtype_bytes(t.dtype, tensor_elements(&t));
    uint8_t *codes = graph_alloc(graph, t.size);
    float *scales = graph_alloc(graph, grid->n_scales * sizeof(*scales));
    int32_t *inputs = graph_alloc(graph, graph->ops[layer->op].n_inputs * sizeof(*inputs));
    if (!codes || !scales || !inputs)
        return err_origin(-ENOMEM);
    pack(layer, grid, bits, codes);
    memcpy(scales, grid->scales, grid->n_scales * sizeof(*scales));
    bool in_groups = grid->group && grid->group < grid->depth;
    t.data = codes;
    t.quant = (struct quant){.scales = scales,
                             .n_scales = grid->n_scales,
                             .axis = layer->depthwise && grid->n_scales > 1 ? 3 : 0,
                             .group = in_groups ? grid->group : 0};
    struct op *op = &graph->ops[layer->op];
    memcpy(inputs, op->inputs, op->n_inputs * sizeof(*inputs));
    int r = graph_add_tensor(graph, &t, &inputs[1]);
    op->inputs = inputs;
    return r > 0 ? COMPRESS_E_INVALID : r;
}

static int quantize_layer(struct weights_pass *p, const struct layer *layer,
                          const struct moments *moments) {
    struct graph *graph = p->context->graph;
    unsigned bits = choose_bits(p, layer);
    uint32_t group = 0;
    _cleanup_(grid_deinit) struct grid grid = {0};
    int r = choose_group(p, layer, &group);
    if (r == 0)
        r = grid_init(&grid, graph, layer, group, bits == 4 ? -8 : -127, bits == 4 ? 7 : 127);
    if (r)
        return r;
    grid_choose_scales(&grid, (enum grid_range)p->options->rounding.weights);
    r = rounding_apply(p->context, &grid, &p->options->rounding, moments);
    if (r == 0)
        r = put_weights(graph, layer, &grid, bits);
    p->n_four += bits == 4;
    return r;
}

/* ---- the pass ---- */

static int quantize_layers(struct weights_pass *p) {
    struct moments *moments = NULL;
    int r = rounding_prepare(p->context, &p->layers, &p->options->rounding, &moments);
    for (uint32_t i = 0; i < p->layers.n && r == 0; i++)
        r = quantize_layer(p, &p->layers.items[i], moments ? &moments[i] : NULL);
    moments_free(moments, p->layers.n);
    return r;
}

static void summarize(const struct weights_pass *p) {
    const struct weights_options *o = p->options;
    char group[64] = "", which[64];
    char *summary = p->context->summary;
    uint32_t eight = p->layers.n - p->n_four;
    if (p->n_four && eight)
        snprintf(which, sizeof(which), "%u layers in 4 bits and of %u in 8", p->n_four, eight);
    else
        snprintf(which, sizeof(which), "%u layers in %u bits", p->layers.n, eight ? 8 : 4);
    if (o->granularity == PER_GROUP)
        snprintf(group, sizeof(group), " of %u", o->group);
    snprintf(summary, PASS_MAX_SUMMARY, "weights of %s, a scale per %s%s, rounded %s%s", which,
             granularities[o->granularity], group, grid_roundings[o->rounding.rounding],
             o->bias_correction ? ", biases corrected" : "");
    size_t used = strlen(summary);
    if (p->n_other_group)
        snprintf(summary + used, PASS_MAX_SUMMARY - used, ", %u layers in groups of their own size",
                 p->n_other_group);
}

static int run(struct pass_context *context, const void *arg) {
    const struct weights_options *options = arg;
    struct weights_pass p = {.context = context, .options = options};
    double *means = NULL;
    uint32_t samples = options->rounding.samples;
    int r = pass_layers(context, &options->scope, layer_is_float, "a float layer", &p.layers);
    if (r == 0 && options->bias_correction)
        r = bias_expected(context, &p.layers, samples, &means);
    if (r == 0)
        r = quantize_layers(&p);
    if (r == 0)
        r = graph_sweep(context->graph);
    if (r == 0)
        r = pass_check_result(context);
    if (r == 0 && means)
        r = bias_correct(context, &p.layers, samples, means);
    if (r == 0)
        summarize(&p);
    free(means);
    return r;
}

const struct pass pass_quantize_weights = {
    .name = "quantize-weights",
    .summary = "weights of 4 or 8 bits under float activations, which are quantized at run time",
    .fields = fields,
    .options_size = sizeof(struct weights_options),
    .check = check,
    .run = run,
};
