/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small float networks with random weights, random data for them, and what they answer: for tests of passes.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/layer.h"
#include "compress/recipe.h"
#include "model/graph.h"
#include "runtime/runtime.h"

struct small {
    struct graph *graph;
    struct random random;
    int32_t last; /* tensor that the next operator reads */
};

/* Nearly normal, standard deviation 1. */
static inline float small_normal(struct random *random) {
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += random_unit(random);
    return (float)sum;
}

static inline int32_t small_activation(struct small *s, const char *name, uint8_t n_dims,
                                       const int32_t *dims) {
    struct tensor t = {.name = name, .dtype = DTYPE_FP32, .n_dims = n_dims};
    int32_t index;
    memcpy(t.dims, dims, n_dims * sizeof(*dims));
    t.size = tensor_elements(&t) * sizeof(float);
    ck_assert_int_eq(graph_add_tensor(s->graph, &t, &index), 0);
    return index;
}

/* n_dims numbers, each times `size`. */
static inline int32_t small_constant(struct small *s, uint8_t n_dims, const int32_t *dims,
                                     double size) {
    int32_t index;
    float *data;
    ck_assert_int_eq(layer_add_const(s->graph, NULL, dims, n_dims, NULL, &index, &data), 0);
    for (size_t i = 0; i < tensor_elements(&s->graph->tensors[index]); i++)
        data[i] = small_normal(&s->random) * (float)size;
    return index;
}

static inline struct small small_begin(uint64_t seed, uint8_t n_dims, const int32_t *dims) {
    struct small s = {.random = {seed}};
    ck_assert_int_eq(graph_new(&s.graph), 0);
    s.last = small_activation(&s, "x", n_dims, dims);
    s.graph->inputs = graph_alloc(s.graph, sizeof(int32_t));
    s.graph->inputs[0] = s.last;
    s.graph->n_inputs = 1;
    return s;
}

static inline void small_op(struct small *s, const struct op *like, const int32_t *inputs,
                            uint16_t n, int32_t y) {
    struct op op = *like;
    op.n_inputs = n;
    op.n_outputs = 1;
    ck_assert_int_eq(graph_add_op(s->graph, &op, inputs, &y), 0);
    s->last = y;
}

/* Same padding, stride 1; `kind` is CONV_2D or DEPTHWISE_CONV_2D. */
static inline void small_conv(struct small *s, enum op_kind kind, int32_t out, int32_t k,
                              enum activation act) {
    const struct tensor x = s->graph->tensors[s->last];
    bool depthwise = kind == OP_DEPTHWISE_CONV_2D;
    int32_t in = x.dims[3];
    int32_t w = small_constant(
        s, 4, depthwise ? (const int32_t[]){1, k, k, out} : (const int32_t[]){out, k, k, in},
        1 / sqrt((double)(k * k * (depthwise ? 1 : in))));
    int32_t bias = small_constant(s, 1, &out, 0.3);
    int32_t y = small_activation(s, NULL, 4, (const int32_t[]){1, x.dims[1], x.dims[2], out});
    struct op op = {.kind = kind, .act = act, .conv = {1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2}};
    small_op(s, &op, (const int32_t[]){s->last, w, bias}, 3, y);
}

static inline void small_dense(struct small *s, int32_t out, enum activation act) {
    int32_t in = (int32_t)tensor_elements(&s->graph->tensors[s->last]);
    int32_t w = small_constant(s, 2, (const int32_t[]){out, in}, 1 / sqrt((double)in));
    int32_t bias = small_constant(s, 1, &out, 0.3);
    int32_t y = small_activation(s, NULL, 2, (const int32_t[]){1, out});
    struct op op = {.kind = OP_FULLY_CONNECTED, .act = act};
    small_op(s, &op, (const int32_t[]){s->last, w, bias}, 3, y);
}

/* An operator of one operand whose result has its dimensions. */
static inline void small_unary(struct small *s, const struct op *op) {
    const struct tensor x = s->graph->tensors[s->last];
    small_op(s, op, &s->last, 1, small_activation(s, NULL, x.n_dims, x.dims));
}

/* Of two tensors of equal dimensions. */
static inline void small_binary(struct small *s, enum op_kind kind, int32_t a, int32_t b) {
    const struct tensor x = s->graph->tensors[a];
    struct op op = {.kind = kind};
    small_op(s, &op, (const int32_t[]){a, b}, 2, small_activation(s, NULL, x.n_dims, x.dims));
}

/* The last tensor is the output, named "y"; the network is right. */
static inline struct graph *small_end(struct small *s) {
    struct graph *g = s->graph;
    struct diag diag;
    g->tensors[s->last].name = "y";
    g->outputs = graph_alloc(g, sizeof(int32_t));
    g->outputs[0] = s->last;
    g->n_outputs = 1;
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
    return g;
}

/* n samples for the network's input; free() its x.data. */
static inline struct dataset small_data(const struct graph *g, size_t n, uint64_t seed) {
    size_t per = tensor_elements(&g->tensors[g->inputs[0]]);
    float *x = malloc(n * per * sizeof(*x));
    struct random random = {seed};
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < n * per; i++)
        x[i] = small_normal(&random);
    return (struct dataset){.path = "random",
                            .x = {.dtype = DTYPE_FP32,
                                  .n_dims = 2,
                                  .dims = {n, per},
                                  .n = n * per,
                                  .size = n * per * sizeof(*x),
                                  .data = x},
                            .n = n,
                            .per_sample = per};
}

/* The answers to all samples as real numbers; free() them. */
static inline float *small_answers(const struct graph *g, const struct dataset *data) {
    struct diag diag;
    struct image *image = NULL;
    ck_assert_msg(image_build(g, TIER_C, &image, &diag) == 0, "%s", diag.text);
    const struct port *in = image_input(image, 0), *out = image_output(image, 0);
    size_t n = out->size / dtype_size(out->dtype);
    float *answers = malloc(data->n * n * sizeof(*answers));
    void *x = malloc(in->size), *y = malloc(out->size);
    void *arena =
        aligned_alloc(RUNTIME_ARENA_ALIGN, image_arena_bytes(image) + (size_t)RUNTIME_ARENA_ALIGN);
    ck_assert(answers && x && y && arena);
    for (size_t i = 0; i < data->n; i++) {
        ck_assert_int_eq(dataset_input(data, i, in, x), 0);
        ck_assert_int_eq(
            image_run(image, NULL, 1, (const void *const[]){x}, (void *const[]){y}, arena, NULL),
            0);
        ck_assert_int_eq(port_dequantize(out, y, n, answers + i * n), 0);
    }
    free(x);
    free(y);
    free(arena);
    image_unref(image);
    return answers;
}

/* Runs a recipe of these steps (JSON) on the network. What recipe_parse() or recipe_run() gives. */
static inline int small_recipe(struct graph **graph, const char *steps, const struct dataset *data,
                               struct diag *diag) {
    char text[2048];
    struct recipe *recipe = NULL;
    int n = snprintf(text, sizeof(text), "{\"seed\":7,\"steps\":[%s]}", steps);
    diag->text[0] = 0;
    int r = recipe_parse(text, (size_t)n, &recipe, diag);
    if (r == 0)
        r = recipe_run(recipe, graph, data, TIER_C, NULL, NULL, diag);
    recipe_free(recipe);
    return r;
}

/* Signal to noise in dB: power of a over the power of a - b. */
static inline double small_sqnr(const float *a, const float *b, size_t n) {
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        double e = (double)a[i] - (double)b[i];
        signal += (double)a[i] * (double)a[i];
        noise += e * e;
    }
    return 10 * log10(signal / noise);
}
