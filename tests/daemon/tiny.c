/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs built by hand.
 */

#include "tests/daemon/tiny.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "model/container.h"
#include "model/graph.h"

static struct graph *graph;

static void begin(const char *name) {
    ck_assert_int_eq(graph_new(&graph), 0);
    graph->name = graph_strndup(graph, name, strlen(name));
    graph->version = graph_strndup(graph, "7", 1);
    graph->description = graph_strndup(graph, "a test", 6);
    graph->licence = graph_strndup(graph, "Apache-2.0", 10);
}

static void finish(const char *path) {
    struct buffer file;
    struct diag diag = {""};
    buffer_init(&file, CONTAINER_MAX_BYTES);
    ck_assert_msg(graph_check(graph, &diag) == 0, "%s", diag.text);
    ck_assert_msg(container_write(graph, &file, &diag) == 0, "%s", diag.text);
    ck_assert_msg(file_write_atomic(path, file.data, file.len, &diag) == 0, "%s", diag.text);
    buffer_deinit(&file);
    graph = graph_free(graph);
}

/* Of shape [rows, columns]; a constant where there is data. */
static int32_t tensor(const char *name, int32_t rows, int32_t columns, const void *data) {
    struct tensor t = {.name = name, .dtype = DTYPE_FP32, .n_dims = 2, .dims = {rows, columns}};
    int32_t index;
    t.kind = data ? TENSOR_CONST : TENSOR_ACTIVATION;
    t.data = data;
    t.size = tensor_elements(&t) * sizeof(float);
    ck_assert_int_eq(graph_add_tensor(graph, &t, &index), 0);
    return index;
}

static void op(enum op_kind kind, const int32_t *in, uint16_t n_in, int32_t out, uint16_t n_out) {
    struct op o = {.kind = kind, .n_inputs = n_in, .n_outputs = n_out};
    ck_assert_int_eq(graph_add_op(graph, &o, in, &out), 0);
}

static void io(const int32_t *in, uint32_t n_in, const int32_t *out, uint32_t n_out) {
    graph->inputs = graph_alloc(graph, n_in * sizeof(int32_t));
    graph->outputs = graph_alloc(graph, n_out * sizeof(int32_t));
    memcpy(graph->inputs, in, n_in * sizeof(int32_t));
    memcpy(graph->outputs, out, n_out * sizeof(int32_t));
    graph->n_inputs = n_in;
    graph->n_outputs = n_out;
}

void tiny_affine(const char *path, const char *name) {
    static const float weights[] = {1, 1, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0};
    static const float bias[] = {0, 0, 10};
    static const char *const labels[] = {"left", "right", "ten"};
    begin(name);
    graph->labels = labels;
    graph->n_labels = 3;
    int32_t x = tensor("x", 1, 4, NULL);
    int32_t w = tensor(NULL, 3, 4, weights);
    struct tensor b = {
        .dtype = DTYPE_FP32, .kind = TENSOR_CONST, .n_dims = 1, .dims = {3}, .data = bias};
    b.size = sizeof(bias);
    int32_t bias_index;
    ck_assert_int_eq(graph_add_tensor(graph, &b, &bias_index), 0);
    int32_t y = tensor("y", 1, 3, NULL);
    op(OP_FULLY_CONNECTED, (int32_t[]){x, w, bias_index}, 3, y, 1);
    io(&x, 1, &y, 1);
    finish(path);
}

void tiny_quant(const char *path, const char *name) {
    static const float scale = 0.5F;
    int32_t index[2];
    begin(name);
    for (int i = 0; i < 2; i++) {
        struct tensor t = {
            .name = i ? "r" : "q",
            .dtype = DTYPE_INT8,
            .n_dims = 2,
            .dims = {1, 4},
            .quant = {.scales = &scale, .n_scales = 1, .zero_point = 3},
            .size = 4,
        };
        ck_assert_int_eq(graph_add_tensor(graph, &t, &index[i]), 0);
    }
    op(OP_RELU, index, 1, index[1], 1);
    io(&index[0], 1, &index[1], 1);
    finish(path);
}

void tiny_two(const char *path, const char *name) {
    begin(name);
    int32_t a = tensor("a", 1, 2, NULL);
    int32_t b = tensor("b", 1, 2, NULL);
    int32_t sum = tensor("sum", 1, 2, NULL);
    int32_t difference = tensor("difference", 1, 2, NULL);
    op(OP_ADD, (int32_t[]){a, b}, 2, sum, 1);
    op(OP_SUB, (int32_t[]){a, b}, 2, difference, 1);
    io((int32_t[]){a, b}, 2, (int32_t[]){sum, difference}, 2);
    finish(path);
}

void tiny_counter(const char *path, const char *name) {
    begin(name);
    struct tensor state = {.name = "state",
                           .dtype = DTYPE_FP32,
                           .kind = TENSOR_STATE,
                           .n_dims = 2,
                           .dims = {1, 2},
                           .size = 8};
    int32_t x = tensor("x", 1, 2, NULL);
    int32_t s;
    ck_assert_int_eq(graph_add_tensor(graph, &state, &s), 0);
    int32_t before = tensor(NULL, 1, 2, NULL);
    int32_t total = tensor("total", 1, 2, NULL);
    op(OP_READ_STATE, &s, 1, before, 1);
    op(OP_ADD, (int32_t[]){before, x}, 2, total, 1);
    op(OP_WRITE_STATE, (int32_t[]){s, total}, 2, 0, 0);
    io(&x, 1, &total, 1);
    finish(path);
}

void tiny_slow(const char *path, const char *name) {
    enum { WIDTH = 512, LAYERS = 8 };
    begin(name);
    int32_t x = tensor("x", 1, WIDTH, NULL);
    int32_t last = x;
    for (int layer = 0; layer < LAYERS; layer++) {
        float *weights = graph_alloc(graph, WIDTH * WIDTH * sizeof(float));
        ck_assert_ptr_nonnull(weights);
        for (int i = 0; i < WIDTH * WIDTH; i++)
            weights[i] = (float)(i % 7) * 0.001F + (float)layer;
        int32_t w = tensor(NULL, WIDTH, WIDTH, weights);
        int32_t y = tensor(layer == LAYERS - 1 ? "y" : NULL, 1, WIDTH, NULL);
        op(OP_FULLY_CONNECTED, (int32_t[]){last, w, GRAPH_NONE}, 3, y, 1);
        last = y;
    }
    io(&x, 1, &last, 1);
    finish(path);
}
