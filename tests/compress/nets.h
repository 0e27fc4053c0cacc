/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small float networks with random weights, built operator by operator, runs of them, and calibration data in memory,
 * for the tests of passes.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/layer.h"
#include "model/graph-edit.h"
#include "model/graph.h"
#include "runtime/runtime.h"

struct net {
    struct graph *g;
    struct random random;
};

#define NET_DIMS(...) ((int32_t[]){__VA_ARGS__})

static inline float net_random(struct random *random) {
    return (float)(2 * random_unit(random) - 1);
}

static inline struct net net_new(uint64_t seed) {
    struct net net = {.random = {seed}};
    ck_assert_int_eq(graph_new(&net.g), 0);
    return net;
}

static inline int32_t net_tensor(struct net *net, enum tensor_kind kind, uint8_t n_dims,
                                 const int32_t *dims) {
    struct tensor t = {.dtype = DTYPE_FP32, .kind = kind, .n_dims = n_dims};
    int32_t index;
    memcpy(t.dims, dims, n_dims * sizeof(*dims));
    t.size = tensor_elements(&t) * sizeof(float);
    float *data = graph_alloc(net->g, t.size);
    for (size_t i = 0; i < tensor_elements(&t) && kind == TENSOR_CONST; i++)
        data[i] = net_random(&net->random);
    t.data = kind == TENSOR_CONST ? data : NULL;
    ck_assert_int_eq(graph_add_tensor(net->g, &t, &index), 0);
    return index;
}

static inline int32_t net_op(struct net *net, const struct op *op, const int32_t *inputs,
                             uint16_t n, uint8_t n_dims, const int32_t *dims) {
    struct op copy = *op;
    copy.n_inputs = n;
    copy.n_outputs = 1;
    int32_t y = net_tensor(net, TENSOR_ACTIVATION, n_dims, dims);
    ck_assert_int_eq(graph_add_op(net->g, &copy, inputs, &y), 0);
    return y;
}

static inline int32_t net_input(struct net *net, uint8_t n_dims, const int32_t *dims) {
    int32_t x = net_tensor(net, TENSOR_ACTIVATION, n_dims, dims);
    net->g->inputs = graph_alloc(net->g, sizeof(int32_t));
    net->g->inputs[0] = x;
    net->g->n_inputs = 1;
    net->g->tensors[x].name = "x";
    return x;
}

/* An output of the network; may be called once for each. */
static inline void net_output(struct net *net, int32_t y, const char *name) {
    struct graph *g = net->g;
    int32_t *outputs = graph_alloc(g, (g->n_outputs + 1) * sizeof(*outputs));
    if (g->n_outputs)
        memcpy(outputs, g->outputs, g->n_outputs * sizeof(*outputs));
    outputs[g->n_outputs++] = y;
    g->outputs = outputs;
    g->tensors[y].name = name;
}

/* The whole is checked. */
static inline struct graph *net_done(struct net *net, int32_t y) {
    struct diag diag = {.text = ""};
    net_output(net, y, "y");
    ck_assert_msg(graph_check(net->g, &diag) == 0, "%s", diag.text);
    return net->g;
}

/* Odd windows with padding so that stride 1 keeps the size. `filter` is [out, kh, kw, in] or [1, kh, kw, out]. */
static inline int32_t net_window(struct net *net, enum op_kind kind, int32_t x, int32_t out,
                                 const int32_t *filter, int32_t stride, enum activation act) {
    const struct tensor *in = &net->g->tensors[x];
    int32_t ph = filter[1] / 2, pw = filter[2] / 2;
    int32_t h = (in->dims[1] + 2 * ph - filter[1]) / stride + 1;
    int32_t w = (in->dims[2] + 2 * pw - filter[2]) / stride + 1;
    struct op op = {.kind = kind,
                    .act = act,
                    .conv = {.stride_h = stride,
                             .stride_w = stride,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .pad_top = ph,
                             .pad_left = pw,
                             .pad_bottom = ph,
                             .pad_right = pw}};
    int32_t weights = net_tensor(net, TENSOR_CONST, 4, filter);
    int32_t bias = net_tensor(net, TENSOR_CONST, 1, &out);
    return net_op(net, &op, NET_DIMS(x, weights, bias), 3, 4, NET_DIMS(1, h, w, out));
}

static inline int32_t net_conv(struct net *net, int32_t x, int32_t out, int32_t kernel,
                               int32_t stride, enum activation act) {
    int32_t in = net->g->tensors[x].dims[3];
    return net_window(net, OP_CONV_2D, x, out, NET_DIMS(out, kernel, kernel, in), stride, act);
}

static inline int32_t net_depthwise(struct net *net, int32_t x, int32_t multiplier, int32_t kernel,
                                    int32_t stride, enum activation act) {
    int32_t out = net->g->tensors[x].dims[3] * multiplier;
    return net_window(net, OP_DEPTHWISE_CONV_2D, x, out, NET_DIMS(1, kernel, kernel, out), stride,
                      act);
}

static inline int32_t net_dense(struct net *net, int32_t x, int32_t out, enum activation act) {
    const struct tensor *in = &net->g->tensors[x];
    int32_t depth = in->dims[in->n_dims - 1], rows = (int32_t)tensor_elements(in) / depth;
    struct op op = {.kind = OP_FULLY_CONNECTED, .act = act};
    int32_t weights = net_tensor(net, TENSOR_CONST, 2, NET_DIMS(out, depth));
    int32_t bias = net_tensor(net, TENSOR_CONST, 1, &out);
    return net_op(net, &op, NET_DIMS(x, weights, bias), 3, 2, NET_DIMS(rows, out));
}

/* An operator whose result has the dims of its first operand. */
static inline int32_t net_same(struct net *net, enum op_kind kind, int32_t a, int32_t b) {
    const struct tensor t = net->g->tensors[a];
    struct op op = {.kind = kind};
    return net_op(net, &op, NET_DIMS(a, b), b == GRAPH_NONE ? 1 : 2, t.n_dims, t.dims);
}

static inline int32_t net_reshape(struct net *net, int32_t x, uint8_t n_dims, const int32_t *dims) {
    return net_op(net, &(struct op){.kind = OP_RESHAPE}, &x, 1, n_dims, dims);
}

static inline int32_t net_flatten(struct net *net, int32_t x) {
    int32_t n = (int32_t)tensor_elements(&net->g->tensors[x]);
    return net_reshape(net, x, 2, NET_DIMS(1, n));
}

/* ---- running ---- */

/* One run; `output` has room for the first output. */
static inline void net_run(const struct graph *g, const float *input, float *output) {
    _cleanup_(image_unrefp) struct image *image = NULL;
    struct diag diag = {.text = ""};
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
    ck_assert_msg(image_build(g, TIER_C, &image, &diag) == 0, "%s", diag.text);
    size_t size = MAX(image_arena_bytes(image), (size_t)RUNTIME_ARENA_ALIGN);
    void *arena = aligned_alloc(RUNTIME_ARENA_ALIGN, size);
    void *outputs[GRAPH_MAX_IO] = {output};
    for (uint32_t i = 1; i < image_n_outputs(image); i++)
        outputs[i] = malloc(image_output(image, i)->size);
    ck_assert_int_eq(image_run(image, NULL, 1, (const void *const[]){input}, outputs, arena, NULL),
                     0);
    for (uint32_t i = 1; i < image_n_outputs(image); i++)
        free(outputs[i]);
    free(arena);
}

/* n random samples for the network's input; free() x.owned. */
static inline struct dataset net_data(const struct graph *g, size_t n, uint64_t seed) {
    size_t per_sample = tensor_elements(&g->tensors[g->inputs[0]]);
    struct random random = {seed};
    float *values = malloc(n * per_sample * sizeof(*values));
    for (size_t i = 0; i < n * per_sample; i++)
        values[i] = net_random(&random);
    return (struct dataset){.path = "memory",
                            .x = {.dtype = DTYPE_FP32,
                                  .n_dims = 2,
                                  .dims = {n, per_sample},
                                  .n = n * per_sample,
                                  .size = n * per_sample * sizeof(float),
                                  .data = values,
                                  .owned = values},
                            .n = n,
                            .per_sample = per_sample};
}
