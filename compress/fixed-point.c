/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `fixed-point`: weights are whole numbers of few bits times a power of two, the same for the whole network or
 * for a layer. The weights stay FP32 values, which the container codes in that many bits; with `activations` the network
 * computes in int8 whose scales are powers of two as well.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/calibrate.h"
#include "compress/grid.h"
#include "compress/moments.h"
#include "compress/passes.h"
#include "compress/quantize.h"
#include "compress/rounding.h"
#include "model/graph.h"

#define MIN_FRACTION (-16)
#define MAX_FRACTION 32
#define CHOSEN (MIN_FRACTION - 1) /* of `fraction`: not given */
#define FRACTIONS 6 /* finer formats than the one without overflow that `mse` looks at */
#define MAX_INT8 8

enum { FORMAT_NETWORK, FORMAT_LAYER };

struct fixed_options {
    struct pass_scope scope;
    uint32_t bits, activations;
    int format;
    double fraction;
    struct rounding_options rounding;
};

static const char *const formats[] = {"network", "layer", NULL};

static const struct pass_field fields[] = {
    {"bits", FIELD_COUNT, offsetof(struct fixed_options, bits), 2, 16, 8, NULL,
     "of a weight, sign included"},
    {"scope_of_format", FIELD_CHOICE, offsetof(struct fixed_options, format), 0, 0, FORMAT_NETWORK,
     formats, "where all weights have the same number of fraction bits: network, layer"},
    {"fraction", FIELD_NUMBER, offsetof(struct fixed_options, fraction), MIN_FRACTION, MAX_FRACTION,
     CHOSEN, NULL,
     "fraction bits, a whole number: weights are multiples of 2^-fraction; without it, chosen by "
     "`weights`: max (as many as no weight overflows with), mse"},
    {"activations", FIELD_COUNT, offsetof(struct fixed_options, activations), 0, MAX_INT8, 0, NULL,
     "bits of an activation, the network then computes in int8 (bits may be 8 at most); 0: "
     "activations stay float"},
    ROUNDING_FIELDS(fixed_options, rounding, GRID_MSE),
    {0},
};

static int check(const void *arg, struct diag *diag) {
    const struct fixed_options *o = arg;
    if (o->fraction != floor(o->fraction))
        return diag_set(diag, COMPRESS_E_INVALID, "fraction: must be a whole number");
    if (o->activations == 1)
        return diag_set(diag, COMPRESS_E_INVALID, "activations: must be 0 or from 2 to 8");
    if (o->activations && o->bits > MAX_INT8)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "activations: weights under them have 8 bits at most, not %u", o->bits);
    return 0;
}

struct fixed_pass {
    struct pass_context *context;
    const struct fixed_options *options;
    struct layers layers;
    int *fractions; /* of the layers, in the graph's memory */
};

static int32_t largest_code(const struct fixed_pass *p) {
    return (1 << (p->options->bits - 1)) - 1;
}

/* ---- formats ---- */

static float largest_weight(const struct graph *graph, const struct layer *layer) {
    const float *w = layer_weights(graph, layer)->data;
    float largest = 0;
    for (size_t i = 0; i < (size_t)layer->out * layer->depth; i++)
        largest = fmaxf(largest, fabsf(w[i]));
    return largest;
}

static double squared_error(const struct fixed_pass *p, const struct layer *layer, int fraction) {
    const float *w = layer_weights(p->context->graph, layer)->data;
    double error = 0, unit = ldexp(1, -fraction), limit = largest_code(p);
    for (size_t i = 0; i < (size_t)layer->out * layer->depth; i++) {
        double q = fmin(fmax(nearbyint((double)w[i] / unit), -limit), limit);
        double e = (double)w[i] - q * unit;
        error += e * e;
    }
    return error;
}

/* Fraction bits of n layers that share a format. */
static int choose_fraction(const struct fixed_pass *p, const struct layer *layers, uint32_t n) {
    float largest = 0;
    for (uint32_t i = 0; i < n; i++)
        largest = fmaxf(largest, largest_weight(p->context->graph, &layers[i]));
    if (largest <= 0)
        return 0;
    double room = floor(log2((double)largest_code(p) / (double)largest));
    int widest = (int)fmin(fmax(room, MIN_FRACTION), MAX_FRACTION), best = widest;
    double least = INFINITY;
    for (int f = widest;
         p->options->rounding.weights == GRID_MSE && f < widest + FRACTIONS && f <= MAX_FRACTION;
         f++) {
        double error = 0;
        for (uint32_t i = 0; i < n; i++)
            error += squared_error(p, &layers[i], f);
        if (error < least) {
            least = error;
            best = f;
        }
    }
    return best;
}

static int choose_fractions(struct fixed_pass *p) {
    const struct fixed_options *o = p->options;
    const struct layers *layers = &p->layers;
    p->fractions = graph_alloc(p->context->graph, layers->n * sizeof(*p->fractions));
    if (!p->fractions)
        return err_origin(-ENOMEM);
    int whole = o->fraction != CHOSEN         ? (int)o->fraction
                : o->format == FORMAT_NETWORK ? choose_fraction(p, layers->items, layers->n)
                                              : 0;
    for (uint32_t i = 0; i < layers->n; i++)
        p->fractions[i] = o->fraction != CHOSEN || o->format == FORMAT_NETWORK
                              ? whole
                              : choose_fraction(p, &layers->items[i], 1);
    return 0;
}

/* ---- weights ---- */

static int round_layer(struct fixed_pass *p, uint32_t which, const struct moments *moments) {
    const struct layer *layer = &p->layers.items[which];
    struct graph *graph = p->context->graph;
    _cleanup_(grid_deinit) struct grid grid = {0};
    float *w = layer_edit_weights(graph, layer);
    int r = w ? grid_init(&grid, graph, layer, 0, -largest_code(p), largest_code(p))
              : err_origin(-ENOMEM);
    if (r)
        return r;
    grid.scales[0] = ldexpf(1, -p->fractions[which]);
    r = rounding_apply(p->context, &grid, &p->options->rounding, moments);
    for (uint32_t c = 0; c < layer->out && r == 0; c++)
        for (uint32_t k = 0; k < layer->depth; k++)
            w[layer_index(layer, c, k)] = grid_value(&grid, c, k);
    return r;
}

static int round_layers(struct fixed_pass *p) {
    struct moments *moments = NULL;
    int r = rounding_prepare(p->context, &p->layers, &p->options->rounding, &moments);
    for (uint32_t i = 0; i < p->layers.n && r == 0; i++)
        r = round_layer(p, i, moments ? &moments[i] : NULL);
    moments_free(moments, p->layers.n);
    return r;
}

/* ---- activations ---- */

/* The weights are on their grid, so rounding again changes nothing. */
static int quantize_activations(struct fixed_pass *p) {
    uint32_t n = p->layers.n;
    float *scales = graph_alloc(p->context->graph, n * sizeof(*scales));
    if (!scales)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n; i++)
        scales[i] = ldexpf(1, -p->fractions[i]);
    struct quantize_options options = {
        .calibration = CALIBRATE_PERCENTILE,
        .percentile = 99.99,
        .rounding = {.rounding = GRID_NEAREST, .samples = p->options->rounding.samples},
        .io = QUANTIZE_IO_INT8,
        .fixed_bits = p->options->activations,
        .scales = scales};
    return quantize_layers(p->context, &p->layers, &options);
}

static void summarize(const struct fixed_pass *p) {
    const struct fixed_options *o = p->options;
    int low = MAX_FRACTION, high = MIN_FRACTION;
    char range[48], activations[48] = "float";
    for (uint32_t i = 0; i < p->layers.n; i++) {
        low = MIN(low, p->fractions[i]);
        high = MAX(high, p->fractions[i]);
    }
    if (low == high)
        snprintf(range, sizeof(range), "%d", low);
    else
        snprintf(range, sizeof(range), "%d to %d", low, high);
    if (o->activations)
        snprintf(activations, sizeof(activations), "fixed point of %u bits", o->activations);
    snprintf(p->context->summary, sizeof(p->context->summary),
             "weights of %u layers in fixed point: %u bits, %s of them fraction, rounded %s; "
             "activations in %s",
             p->layers.n, o->bits, range, grid_roundings[o->rounding.rounding], activations);
}

static int run(struct pass_context *context, const void *arg) {
    struct fixed_pass p = {.context = context, .options = arg};
    const struct fixed_options *options = arg;
    int r = options->activations ? pass_need_calibration(context) : 0;
    if (r == 0 && options->activations)
        r = quantize_fuse_activations(context->graph);
    if (r == 0)
        r = pass_layers(context, &options->scope, layer_is_float, "a float layer", &p.layers);
    if (r == 0)
        r = choose_fractions(&p);
    if (r == 0)
        r = round_layers(&p);
    if (r == 0 && options->activations)
        r = quantize_activations(&p);
    if (r == 0)
        summarize(&p);
    return r;
}

const struct pass pass_fixed_point = {
    .name = "fixed-point",
    .summary = "weights of few bits times a power of two, the same for all",
    .fields = fields,
    .options_size = sizeof(struct fixed_options),
    .check = check,
    .run = run,
};
