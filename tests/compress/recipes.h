/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Recipes on networks in memory, and whether two networks compute the same.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "compress/compress.h"
#include "compress/layer.h"
#include "compress/recipe.h"
#include "model/graph-edit.h"
#include "model/graph.h"
#include "tests/compress/nets.h"

static int keep_summary(void *arg, size_t step, const struct pass_context *context) {
    memcpy(arg, context->summary, PASS_MAX_SUMMARY);
    return 0;
}

/* The steps ({"pass": …}, …) on *graph. ret_summary [PASS_MAX_SUMMARY] of the last one. */
static inline int steps_run(struct graph **graph, const char *steps, const struct dataset *data,
                            char *ret_summary, struct diag *diag) {
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    char text[1024];
    int n = snprintf(text, sizeof(text), "{\"steps\":[%s]}", steps);
    int r = recipe_parse(text, (size_t)n, &recipe, diag);
    if (r == 0)
        r = recipe_run(recipe, graph, data, TIER_C, keep_summary, ret_summary, diag);
    return r;
}

/* A copy of the graph after these steps, which work; graph_free() it. */
static inline struct graph *steps_done(const struct graph *graph, const char *steps,
                                       const struct dataset *data, char *ret_summary) {
    struct graph *copy = NULL;
    struct diag diag = {.text = ""};
    ck_assert_int_eq(graph_copy(graph, &copy), 0);
    ck_assert_msg(steps_run(&copy, steps, data, ret_summary, &diag) == 0, "%s: %s", steps,
                  diag.text);
    return copy;
}

/* The steps are refused with this code and a sentence that has `says` in it. */
static inline void steps_refused(const struct graph *graph, const char *steps,
                                 const struct dataset *data, const char *says) {
    _cleanup_(graph_freep) struct graph *copy = NULL;
    struct diag diag = {.text = ""};
    char summary[PASS_MAX_SUMMARY];
    ck_assert_int_eq(graph_copy(graph, &copy), 0);
    ck_assert_int_eq(steps_run(&copy, steps, data, summary, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, says) != NULL, "%s: '%s' lacks '%s'", steps, diag.text, says);
}

static inline struct layer layer_called(struct graph *graph, const char *name) {
    struct layers layers;
    ck_assert_int_eq(layers_find(graph, &layers), 0);
    const struct layer *layer = layers_get(&layers, name);
    ck_assert_msg(layer != NULL, "there is no %s", name);
    return *layer;
}

static inline uint64_t macs_of(const struct graph *graph) {
    uint64_t macs = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        macs += graph_op_macs(graph, &graph->ops[i]);
    return macs;
}

/* The largest difference of the first outputs on random inputs, as a share of the largest output. */
static inline double difference(const struct graph *a, const struct graph *b, uint64_t seed) {
    size_t n_in = tensor_elements(&a->tensors[a->inputs[0]]);
    size_t n_out = tensor_elements(&a->tensors[a->outputs[0]]);
    float *x = malloc(n_in * sizeof(*x));
    float *ya = malloc(n_out * sizeof(*ya)), *yb = malloc(n_out * sizeof(*yb));
    struct random random = {seed};
    double most = 0, largest = 0;
    for (unsigned run = 0; run < 3; run++) {
        for (size_t i = 0; i < n_in; i++)
            x[i] = net_random(&random);
        net_run(a, x, ya);
        net_run(b, x, yb);
        for (size_t i = 0; i < n_out; i++) {
            most = MAX(most, fabs((double)ya[i] - (double)yb[i]));
            largest = MAX(largest, fabs((double)ya[i]));
        }
    }
    free(x);
    free(ya);
    free(yb);
    return most / largest;
}

/* Mean squared difference of the first outputs, summed over them, on the data set. */
static inline double output_error(const struct graph *a, const struct graph *b,
                                  const struct dataset *data) {
    size_t n_out = tensor_elements(&a->tensors[a->outputs[0]]);
    float *ya = malloc(n_out * sizeof(*ya)), *yb = malloc(n_out * sizeof(*yb));
    double sum = 0;
    for (size_t s = 0; s < data->n; s++) {
        const float *x = (const float *)data->x.data + s * data->per_sample;
        net_run(a, x, ya);
        net_run(b, x, yb);
        for (size_t i = 0; i < n_out; i++)
            sum += ((double)ya[i] - (double)yb[i]) * ((double)ya[i] - (double)yb[i]);
    }
    free(ya);
    free(yb);
    return sum / (double)data->n;
}

/* A network of one convolution, called "conv". Paddings may differ on the two sides. */
struct geometry {
    int32_t h, w, in, out, kh, kw;
    struct op_conv conv;
};

static inline struct graph *conv_net(const struct geometry *g, enum activation act, uint64_t seed,
                                     float **ret_weights) {
    struct net net = net_new(seed);
    int32_t x = net_input(&net, 4, NET_DIMS(1, g->h, g->w, g->in));
    int32_t w = net_tensor(&net, TENSOR_CONST, 4, NET_DIMS(g->out, g->kh, g->kw, g->in));
    int32_t b = net_tensor(&net, TENSOR_CONST, 1, &g->out);
    net.g->tensors[w].name = "conv";
    const struct op_conv *c = &g->conv;
    int32_t oh =
        (g->h + c->pad_top + c->pad_bottom - (g->kh - 1) * c->dilation_h - 1) / c->stride_h;
    int32_t ow =
        (g->w + c->pad_left + c->pad_right - (g->kw - 1) * c->dilation_w - 1) / c->stride_w;
    struct op op = {.kind = OP_CONV_2D, .act = act, .conv = *c};
    int32_t y = net_op(&net, &op, NET_DIMS(x, w, b), 3, 4, NET_DIMS(1, oh + 1, ow + 1, g->out));
    *ret_weights = (float *)net.g->tensors[w].data;
    return net_done(&net, y);
}

/* Samples whose values hang together and have a mean; free() x.owned. */
static inline struct dataset smooth_data(const struct graph *g, size_t n, uint64_t seed) {
    struct dataset data = net_data(g, n, seed);
    float *values = (float *)data.x.owned;
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < data.per_sample; i++) {
            float *v = values + s * data.per_sample + i;
            *v = 0.3F + 0.4F * *v + (i ? 0.7F * (v[-1] - 0.3F) : 0);
        }
    return data;
}

/* Weights of a decomposed "conv" or "dense" as doubles. */
static inline const float *part_values(struct graph *graph, const char *name) {
    struct layer layer = layer_called(graph, name);
    return layer_weights(graph, &layer)->data;
}

/* Square root of the sum of squares from i on. */
static inline double tail_of(const double *s, size_t i, size_t n) {
    double sum = 0;
    for (; i < n; i++)
        sum += s[i] * s[i];
    return sqrt(sum);
}
