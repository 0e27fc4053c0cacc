/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks from the shared folder and of one operator, calls as text.
 */

#include "bench/serving/subjects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "bench/serving/exchange.h"
#include "model/container.h"
#include "model/graph.h"
#include "proto/values.h"
#include "tests/load/networks.h"
#include "tests/shared.h"

bool subjects_write_five(const char *dir) {
    static const char *const five[][2] = {
        {"kws_ref_model", "kws"},
        {"vww_96_int8", "vww"},
        {"pretrainedResnet_quant", "resnet"},
        {"ad01_int8", "ad01"},
        {"str_ww_ref_model", "str_ww"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(five); i++) {
        char file[256], path[4096], out[4096];
        snprintf(file, sizeof(file), "models/mlperf-tiny/%s.tflite", five[i][0]);
        if (!shared_present(file))
            return false;
        snprintf(path, sizeof(path), "%s/%s", shared_dir(), file);
        network_convert(path, five[i][1], dir, out, sizeof(out));
    }
    return true;
}

static int32_t add_tensor(struct graph *graph, const char *name, enum dtype dtype,
                          const int32_t *dims, unsigned n_dims, const float *scale) {
    struct tensor t = {.name = name,
                       .dtype = dtype,
                       .kind = TENSOR_ACTIVATION,
                       .n_dims = (uint8_t)n_dims,
                       .size = dtype_size(dtype)};
    int32_t index;
    for (unsigned i = 0; i < n_dims; i++) {
        t.dims[i] = dims[i];
        t.size *= (size_t)dims[i];
    }
    if (dtype == DTYPE_INT8) {
        t.quant.scales = scale;
        t.quant.n_scales = 1;
    }
    if (graph_add_tensor(graph, &t, &index))
        die("a tensor");
    return index;
}

static void write_graph(struct graph *graph, const char *dir) {
    struct diag diag;
    struct buffer buffer;
    char path[4096];
    buffer_init(&buffer, CONTAINER_MAX_BYTES);
    snprintf(path, sizeof(path), "%s/%s.edge", dir, graph->name);
    if (graph_check(graph, &diag) || container_write(graph, &buffer, &diag) ||
        file_write_atomic(path, buffer.data, buffer.len, &diag))
        die(diag.text);
    buffer_deinit(&buffer);
    graph_free(graph);
}

static void write_unary(const char *name, const char *dir, const struct op *op, enum dtype dtype,
                        const int32_t *in, const int32_t *out, unsigned n_out) {
    struct graph *graph;
    if (graph_new(&graph))
        die("a graph");
    float *scale = graph_alloc(graph, sizeof(*scale));
    graph->inputs = graph_alloc(graph, sizeof(int32_t));
    graph->outputs = graph_alloc(graph, sizeof(int32_t));
    graph->name = graph_strndup(graph, name, strlen(name));
    if (!scale || !graph->inputs || !graph->outputs || !graph->name)
        die("a graph");
    *scale = 1;
    int32_t x = add_tensor(graph, "x", dtype, in, 4, scale);
    int32_t y = add_tensor(graph, "y", dtype, out, n_out, scale);
    if (graph_add_op(graph, op, &x, &y))
        die("an operator");
    graph->inputs[0] = x;
    graph->outputs[0] = y;
    graph->n_inputs = graph->n_outputs = 1;
    write_graph(graph, dir);
}

void subjects_write_plain(const char *dir) {
    static const int32_t array[] = {1, 96, 96, 3}, picture[] = {1, 224, 224, 3}, colours[] = {1, 3};
    struct op reshape = {.kind = OP_RESHAPE, .n_inputs = 1, .n_outputs = 1};
    struct op mean = {.kind = OP_MEAN, .n_inputs = 1, .n_outputs = 1, .mean = {.axes = 6}};
    write_unary("bytes", dir, &reshape, DTYPE_INT8, array, array, 4);
    write_unary("floats", dir, &reshape, DTYPE_FP32, array, array, 4);
    write_unary("picture", dir, &mean, DTYPE_FP32, picture, colours, 2);
}

static struct message finish(struct buffer *buffer) {
    return (struct message){.text = (char *)buffer->data, .size = buffer->len};
}

static void append(struct buffer *buffer, const char *text) {
    if (buffer_append(buffer, text, strlen(text)))
        die("memory");
}

struct message subjects_raw(const char *model, const void *values, size_t size) {
    struct buffer b;
    buffer_init(&b, EXCHANGE_MAX);
    char *base64 = malloc(values_base64_len(size) + 1);
    if (!base64)
        die("memory");
    values_to_base64(values, size, base64);
    if (buffer_printf(&b,
                      "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"%s\",\"inputs\":"
                      "[{\"raw\":\"",
                      model))
        die("memory");
    append(&b, base64);
    append(&b, "\"}],\"outputForm\":\"raw\"}}");
    if (buffer_append(&b, "", 1))
        die("memory");
    free(base64);
    return finish(&b);
}

struct message subjects_data_parameters(const char *model, bool is_float, const void *values,
                                        size_t n, const char *output_form) {
    enum dtype dtype = is_float ? DTYPE_FP32 : DTYPE_INT8;
    struct buffer b;
    buffer_init(&b, EXCHANGE_MAX);
    if (buffer_printf(&b, "{\"model\":\"%s\",\"inputs\":[{\"data\":[", model) ||
        buffer_reserve(&b, values_text_max(dtype, n)))
        die("memory");
    b.len += values_to_text(dtype, values, n, (char *)b.data + b.len);
    if (buffer_printf(&b, "]}],\"outputForm\":\"%s\"}", output_form) || buffer_append(&b, "", 1))
        die("memory");
    return finish(&b);
}

struct message subjects_call(const struct message *parameters) {
    struct buffer b;
    buffer_init(&b, EXCHANGE_MAX);
    append(&b, "{\"method\":\"io.edged.Infer\",\"parameters\":");
    append(&b, parameters->text);
    append(&b, "}");
    if (buffer_append(&b, "", 1))
        die("memory");
    return finish(&b);
}

struct message subjects_region(const char *region) {
    struct buffer b;
    buffer_init(&b, EXCHANGE_MAX);
    if (buffer_printf(&b,
                      "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"picture\","
                      "\"inputs\":[{\"region\":\"%s\"}],\"outputForm\":\"raw\"}}",
                      region) ||
        buffer_append(&b, "", 1))
        die("memory");
    return finish(&b);
}
