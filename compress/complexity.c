/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting parameters and multiplications.
 */

#include "compress/complexity.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "model/container.h"
#include "model/graph.h"
#include "runtime/runtime.h"

uint64_t complexity_non_zeros(const struct tensor *t) {
    size_t n = tensor_elements(t), size = dtype_size(t->dtype);
    uint64_t count = 0;
    /* Minus zero is a zero too. */
    if (t->dtype == DTYPE_FP32) {
        for (size_t k = 0; k < n; k++)
            count += ((const float *)t->data)[k] != 0;
        return count;
    }
    const uint8_t *data = t->data;
    for (size_t k = 0; t->dtype == DTYPE_INT4 && k < n; k++)
        count += (data[k / 2] >> k % 2 * 4 & 15) != 0;
    int64_t zero = 0;
    memcpy(&zero, &(int64_t){t->quant.zero_point}, MIN(size, sizeof(zero)));
    for (size_t k = 0; t->dtype != DTYPE_INT4 && k < n; k++) {
        int64_t v = 0;
        memcpy(&v, data + k * size, MIN(size, sizeof(v)));
        count += v != zero;
    }
    return count;
}

static void add_tensor(struct complexity *c, const struct tensor *t) {
    c->parameters += tensor_elements(t);
    c->non_zeros += complexity_non_zeros(t);
    c->bits += 8 * (uint64_t)t->size;
}

/* The operands whose every element is multiplied equally often: first and one past the last. */
static void weight_operands(const struct op *op, unsigned *ret_first, unsigned *ret_end) {
    unsigned end = 1;
    if (op->kind == OP_CONV_2D || op->kind == OP_DEPTHWISE_CONV_2D ||
        op->kind == OP_FULLY_CONNECTED)
        end = 2;
    else if (op->kind == OP_SVDF)
        end = 3;
    else if (op->kind == OP_LSTM)
        end = 9;
    *ret_first = 1;
    *ret_end = MIN(end, (unsigned)op->n_inputs);
}

static uint64_t effective_macs(const struct graph *graph, const struct op *op, uint64_t macs) {
    struct complexity weights = {0};
    unsigned first, end;
    weight_operands(op, &first, &end);
    for (unsigned i = first; i < end; i++) {
        if (op->inputs[i] == GRAPH_NONE)
            continue;
        const struct tensor *t = &graph->tensors[op->inputs[i]];
        if (t->kind != TENSOR_CONST)
            return macs;
        add_tensor(&weights, t);
    }
    if (!weights.parameters)
        return macs;
    return (uint64_t)((double)macs / (double)weights.parameters * (double)weights.non_zeros + 0.5);
}

struct complexity complexity_of_op(const struct graph *graph, const struct op *op) {
    struct complexity c = {.macs = graph_op_macs(graph, op)};
    c.effective_macs = effective_macs(graph, op, c.macs);
    for (unsigned i = 0; i < op->n_inputs; i++)
        if (op->inputs[i] != GRAPH_NONE && graph->tensors[op->inputs[i]].kind == TENSOR_CONST)
            add_tensor(&c, &graph->tensors[op->inputs[i]]);
    return c;
}

struct complexity complexity_of(const struct graph *graph) {
    struct complexity c = {0};
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i].kind == TENSOR_CONST)
            add_tensor(&c, &graph->tensors[i]);
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        uint64_t macs = graph_op_macs(graph, &graph->ops[i]);
        c.macs += macs;
        c.effective_macs += effective_macs(graph, &graph->ops[i], macs);
    }
    return c;
}

int complexity_file_bytes(const struct graph *graph, size_t *ret_bytes, struct diag *diag) {
    _cleanup_(buffer_deinit) struct buffer buffer;
    buffer_init(&buffer, CONTAINER_MAX_BYTES);
    int r = container_write(graph, &buffer, diag);
    if (r == 0)
        *ret_bytes = buffer.len;
    return err_trace(r);
}

cJSON *complexity_to_json(const struct complexity *c, size_t file_bytes,
                          const struct image *image) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddNumberToObject(d, "parameters", (double)c->parameters);
    cJSON_AddNumberToObject(d, "nonZeros", (double)c->non_zeros);
    cJSON_AddNumberToObject(d, "bits", (double)c->bits);
    cJSON_AddNumberToObject(d, "macs", (double)c->macs);
    cJSON_AddNumberToObject(d, "effectiveMacs", (double)c->effective_macs);
    cJSON_AddNumberToObject(d, "bytes", (double)file_bytes);
    cJSON_AddNumberToObject(d, "imageBytes", (double)image_bytes(image));
    cJSON_AddNumberToObject(d, "arenaBytes", (double)image_arena_bytes(image));
    cJSON_AddNumberToObject(d, "stateBytes", (double)image_state_bytes(image));
    return d;
}
