/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `equalize`: cross-layer equalization (Nagel et al. 2019, Data-Free Quantization, arXiv 1906.04721, §4.1). What
 * one layer multiplies an output channel by, the next divides its weights by; so the weights of all channels come to have
 * ranges that suit one scale. The network's results stay the same.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/passes.h"
#include "model/graph.h"

#define CONVERGED 1e-3 /* change of the logarithm of a factor */
#define MAX_FACTOR 0x1p12F

struct equalize_options {
    struct pass_scope scope;
    uint32_t sweeps;
};

static const struct pass_field fields[] = {
    {"sweeps", FIELD_COUNT, offsetof(struct equalize_options, sweeps), 1, 10000, 100, NULL,
     "over the pairs of layers, at most; fewer where nothing changes any more"},
    {0},
};

/* Two layers, the second the only one that reads the first. */
struct pair {
    struct layer *first, *second;
    uint32_t channels; /* of the first one's output */
};

struct pairs {
    struct pair *items; /* in the graph's memory, like all below */
    uint32_t n;
    float **weights; /* of the layers, own copies */
    float **biases;
};

/* ---- finding pairs ---- */

/* Operators that read the tensor, and the last of them; outputs of the network count as several. */
static uint32_t count_readers(const struct graph *graph, int32_t tensor, uint32_t *ret_last) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        for (unsigned k = 0; k < graph->ops[i].n_inputs; k++)
            if (graph->ops[i].inputs[k] == tensor) {
                n++;
                *ret_last = i;
            }
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        n += graph->outputs[i] == tensor ? 2 : 0;
    return n;
}

static bool scales_freely(enum activation act) {
    return act == ACT_NONE || act == ACT_RELU;
}

/* A channel of the result is the same channel of the operand, and factors above zero pass through. */
static bool lets_through(const struct graph *graph, const struct op *op, uint32_t channels) {
    const struct tensor *x = &graph->tensors[op->inputs[0]];
    bool last_axis = x->n_dims > 0 && x->dims[x->n_dims - 1] == (int32_t)channels;
    switch (op->kind) {
    case OP_RELU:
    case OP_LEAKY_RELU:
    case OP_RESHAPE:
        return true;
    case OP_MAX_POOL_2D:
    case OP_AVERAGE_POOL_2D:
        return last_axis && scales_freely(op->act);
    case OP_MEAN:
        return last_axis && !(op->mean.axes >> (x->n_dims - 1) & 1);
    case OP_PAD:
        return last_axis && op->pad.value == 0 && op->pad.before[x->n_dims - 1] == 0 &&
               op->pad.after[x->n_dims - 1] == 0;
    default:
        return false;
    }
}

/* Whether input channel i of the layer is what its weights k = i modulo `channels` are multiplied with. */
static bool reads_channels(const struct graph *graph, const struct layer *layer,
                           uint32_t channels) {
    const struct tensor *x = layer_input(graph, layer), *w = layer_weights(graph, layer);
    switch (layer_op(graph, layer)->kind) {
    case OP_FULLY_CONNECTED:
        return layer->depth % channels == 0;
    case OP_CONV_2D:
        return x->dims[3] == (int32_t)channels && w->dims[3] == x->dims[3];
    default: /* depthwise: output channel c reads c / multiplier */
        return x->dims[3] == (int32_t)channels;
    }
}

static struct layer *layer_at(struct layers *layers, uint32_t op) {
    for (uint32_t i = 0; i < layers->n; i++)
        if (layers->items[i].op == op)
            return &layers->items[i];
    return NULL;
}

static bool owns_weights(const struct graph *graph, const struct layer *layer) {
    uint32_t last;
    return count_readers(graph, layer->weights, &last) == 1;
}

/* The layer behind this one, NULL where there is none that factors could go to. */
static struct layer *find_second(const struct graph *graph, struct layers *layers,
                                 const struct layer *first) {
    const struct op *op = layer_op(graph, first);
    uint32_t next = 0;
    if (!scales_freely(op->act) || !owns_weights(graph, first))
        return NULL;
    while (count_readers(graph, op->outputs[0], &next) == 1) {
        struct layer *second = layer_at(layers, next);
        op = &graph->ops[next];
        if (second)
            return op->inputs[0] != first->weights && owns_weights(graph, second) &&
                           reads_channels(graph, second, first->out)
                       ? second
                       : NULL;
        if (!lets_through(graph, op, first->out))
            return NULL;
    }
    return NULL;
}

static int find_pairs(struct graph *graph, struct layers *layers, struct pairs *ret) {
    struct pairs p = {.items = graph_alloc(graph, layers->n * sizeof(*p.items)),
                      .weights = graph_alloc(graph, layers->n * sizeof(*p.weights)),
                      .biases = graph_alloc(graph, layers->n * sizeof(*p.biases))};
    if (!p.items || !p.weights || !p.biases)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < layers->n; i++) {
        struct layer *first = &layers->items[i];
        struct layer *second = find_second(graph, layers, first);
        if (second)
            p.items[p.n++] =
                (struct pair){.first = first, .second = second, .channels = first->out};
    }
    *ret = p;
    return 0;
}

static int own_constants(struct graph *graph, struct layers *layers, struct pairs *pairs) {
    for (uint32_t i = 0; i < pairs->n; i++) {
        struct layer *both[] = {pairs->items[i].first, pairs->items[i].second};
        for (unsigned k = 0; k < ARRAY_SIZE(both); k++) {
            ptrdiff_t at = both[k] - layers->items;
            if (pairs->weights[at])
                continue;
            pairs->weights[at] = layer_edit_weights(graph, both[k]);
            if (both[k]->bias != GRAPH_NONE)
                pairs->biases[at] = layer_edit_bias(graph, both[k]);
            if (!pairs->weights[at] || (both[k]->bias != GRAPH_NONE && !pairs->biases[at]))
                return err_origin(-ENOMEM);
        }
    }
    return 0;
}

/* ---- factors ---- */

/* The input channel that weight k of output channel c is multiplied with. */
static uint32_t channel_read(const struct pair *p, uint32_t c, uint32_t k) {
    return p->second->depthwise ? c / (p->second->out / p->channels) : k % p->channels;
}

static void find_ranges(const struct pair *p, const float *first, const float *second,
                        float *ret_first, float *ret_second) {
    for (uint32_t c = 0; c < p->channels; c++)
        ret_first[c] = ret_second[c] = 0;
    for (uint32_t c = 0; c < p->first->out; c++)
        for (uint32_t k = 0; k < p->first->depth; k++)
            ret_first[c] = fmaxf(ret_first[c], fabsf(first[layer_index(p->first, c, k)]));
    for (uint32_t c = 0; c < p->second->out; c++)
        for (uint32_t k = 0; k < p->second->depth; k++) {
            float *range = &ret_second[channel_read(p, c, k)];
            *range = fmaxf(*range, fabsf(second[layer_index(p->second, c, k)]));
        }
}

/* Divides the first one's channels by the factors, multiplies what reads them. */
static void apply(const struct pair *p, float *first, float *bias, float *second,
                  const float *factors) {
    for (uint32_t c = 0; c < p->first->out; c++) {
        for (uint32_t k = 0; k < p->first->depth; k++)
            first[layer_index(p->first, c, k)] /= factors[c];
        if (bias)
            bias[c] /= factors[c];
    }
    for (uint32_t c = 0; c < p->second->out; c++)
        for (uint32_t k = 0; k < p->second->depth; k++)
            second[layer_index(p->second, c, k)] *= factors[channel_read(p, c, k)];
}

/* Makes both ranges of every channel equal. Returns the largest change of the logarithm of a range. */
static double equalize_pair(const struct pair *p, float *first, float *bias, float *second,
                            float *work) {
    float *range_1 = work, *range_2 = work + p->channels;
    double largest = 0;
    find_ranges(p, first, second, range_1, range_2);
    for (uint32_t c = 0; c < p->channels; c++) {
        float factor = 1;
        if (range_1[c] > 0 && range_2[c] > 0)
            factor = sqrtf(range_1[c] / range_2[c]);
        factor = fminf(fmaxf(factor, 1 / MAX_FACTOR), MAX_FACTOR);
        largest = fmax(largest, fabs(log((double)factor)));
        range_1[c] = factor;
    }
    apply(p, first, bias, second, range_1);
    return largest;
}

static int equalize_pairs(const struct pairs *pairs, const struct layers *layers,
                          uint32_t max_sweeps, uint32_t *ret_sweeps) {
    uint32_t channels = 1, sweep = 0;
    for (uint32_t i = 0; i < pairs->n; i++)
        channels = MAX(channels, pairs->items[i].channels);
    float *work = malloc(2 * channels * sizeof(*work));
    if (!work)
        return err_origin(-ENOMEM);
    for (double change = 1; sweep < max_sweeps && change > CONVERGED; sweep++) {
        change = 0;
        for (uint32_t i = 0; i < pairs->n; i++) {
            const struct pair *p = &pairs->items[i];
            ptrdiff_t a = p->first - layers->items, b = p->second - layers->items;
            change = fmax(change, equalize_pair(p, pairs->weights[a], pairs->biases[a],
                                                pairs->weights[b], work));
        }
    }
    free(work);
    *ret_sweeps = sweep;
    return 0;
}

static int run(struct pass_context *context, const void *arg) {
    const struct equalize_options *options = arg;
    struct graph *graph = context->graph;
    struct layers layers;
    struct pairs pairs = {0};
    uint32_t sweeps = 0;
    int r = pass_layers(context, &options->scope, layer_is_float, "a float layer", &layers);
    if (r == 0)
        r = find_pairs(graph, &layers, &pairs);
    if (r == 0 && !pairs.n)
        return diag_set(context->diag, COMPRESS_E_INVALID,
                        "layers: none of them is followed by another through RELU or nothing");
    if (r == 0)
        r = own_constants(graph, &layers, &pairs);
    if (r == 0)
        r = equalize_pairs(&pairs, &layers, options->sweeps, &sweeps);
    if (r == 0)
        snprintf(context->summary, sizeof(context->summary),
                 "ranges of %u pairs of layers made equal in %u sweeps", pairs.n, sweeps);
    return r;
}

const struct pass pass_equalize = {
    .name = "equalize",
    .summary = "channels of successive layers scaled so that their weights have equal ranges",
    .fields = fields,
    .options_size = sizeof(struct equalize_options),
    .run = run,
};
