/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small float networks of dense layers, and data sets in memory, for tests whose answers are known.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/dataset.h"
#include "compress/layer.h"
#include "model/graph.h"

/* A network with the input x [1][n] and no operator. */
static inline struct graph *dense_start(int32_t n) {
    struct graph *g;
    int32_t index;
    struct tensor x = {.name = "x", .dtype = DTYPE_FP32, .n_dims = 2, .dims = {1, n}};
    x.size = (size_t)n * sizeof(float);
    ck_assert_int_eq(graph_new(&g), 0);
    ck_assert_int_eq(graph_add_tensor(g, &x, &index), 0);
    g->inputs = graph_alloc(g, 2 * sizeof(int32_t));
    g->outputs = g->inputs + 1;
    g->n_inputs = g->n_outputs = 1;
    g->inputs[0] = g->outputs[0] = index;
    return g;
}

/* Appends weights [out][in] to the last result; without a bias where it is NULL. The result is the network's output. */
static inline void dense_add(struct graph *g, const char *name, const float *weights,
                             const float *bias, int32_t out, enum activation act) {
    int32_t from = g->outputs[0], w, b = GRAPH_NONE, to, in = g->tensors[from].dims[1];
    ck_assert_int_eq(layer_add_const(g, name, (const int32_t[]){out, in}, 2, weights, &w, NULL), 0);
    if (bias)
        ck_assert_int_eq(layer_add_const(g, NULL, &out, 1, bias, &b, NULL), 0);
    struct tensor y = {.name = "y", .dtype = DTYPE_FP32, .n_dims = 2, .dims = {1, out}};
    y.size = (size_t)out * sizeof(float);
    g->tensors[from].name = from == g->inputs[0] ? "x" : NULL;
    ck_assert_int_eq(graph_add_tensor(g, &y, &to), 0);
    struct op op = {.kind = OP_FULLY_CONNECTED, .act = act, .n_inputs = 3, .n_outputs = 1};
    ck_assert_int_eq(graph_add_op(g, &op, (const int32_t[]){from, w, b}, &to), 0);
    g->outputs[0] = to;
    struct diag diag;
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
}

/* n samples of so many values each; y holds classes, or nothing. What it points to has to stay. */
static inline struct dataset memory_dataset(const float *x, size_t per_sample, const uint8_t *y,
                                            size_t n) {
    struct dataset d = {.path = "data", .has_y = y != NULL, .n = n, .per_sample = per_sample};
    d.x = (struct npy){.dtype = DTYPE_FP32,
                       .n_dims = 2,
                       .dims = {n, per_sample},
                       .n = n * per_sample,
                       .size = n * per_sample * sizeof(float),
                       .data = x};
    if (y)
        d.y = (struct npy){
            .dtype = DTYPE_UINT8, .n_dims = 1, .dims = {n}, .n = n, .size = n, .data = y};
    return d;
}
