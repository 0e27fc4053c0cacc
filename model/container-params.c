/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of operators as rows of integers, in the order docs/model-format.md gives. New ones go to the end of their
 * row, with a default that means what the absence meant before.
 */

#include <stddef.h>
#include <string.h>

#include "model/container-format.h"

/* Every parameter struct but the LSTM's is a plain row of four-byte members, and all begin where the first does. */
_Static_assert(sizeof(struct op_conv) == 8 * 4, "a row of 8");
_Static_assert(sizeof(struct op_pool) == 8 * 4, "a row of 8");
_Static_assert(sizeof(struct op_pad) == (2 * GRAPH_MAX_DIMS + 1) * 4, "a row of 13");
_Static_assert(sizeof(struct op_slice) == 3 * GRAPH_MAX_DIMS * 4, "a row of 18");
_Static_assert(sizeof(struct op_mfcc) == 11 * 4, "a row of 11");
_Static_assert(3 * GRAPH_MAX_DIMS <= CONTAINER_MAX_PARAMS, "room for the longest row");

static int param_count(enum op_kind kind) {
    switch (kind) {
    case OP_CONV_2D:
    case OP_DEPTHWISE_CONV_2D:
    case OP_AVERAGE_POOL_2D:
    case OP_MAX_POOL_2D:
        return 8;
    case OP_PAD:
        return 2 * GRAPH_MAX_DIMS + 1;
    case OP_STRIDED_SLICE:
        return 3 * GRAPH_MAX_DIMS;
    case OP_MFCC:
        return 11;
    case OP_TRANSPOSE:
        return GRAPH_MAX_DIMS;
    case OP_LSTM:
        return 2;
    case OP_MEAN:
    case OP_CONCATENATION:
    case OP_SPLIT:
    case OP_SOFTMAX:
    case OP_LEAKY_RELU:
    case OP_SVDF:
        return 1;
    default:
        return 0;
    }
}

int container_param_defaults(enum op_kind kind, int32_t ret_defaults[CONTAINER_MAX_PARAMS]) {
    static const int32_t ones[4] = {1, 1, 1, 1}; /* strides, dilations, kernels */
    memset(ret_defaults, 0, CONTAINER_MAX_PARAMS * sizeof(*ret_defaults));
    if (kind == OP_CONV_2D || kind == OP_DEPTHWISE_CONV_2D || kind == OP_AVERAGE_POOL_2D ||
        kind == OP_MAX_POOL_2D)
        memcpy(ret_defaults, ones, sizeof(ones));
    if (kind == OP_SVDF)
        ret_defaults[0] = 1;
    return param_count(kind);
}

void container_params_get(const struct op *op, int32_t ret_values[CONTAINER_MAX_PARAMS]) {
    size_t size = (size_t)param_count(op->kind) * sizeof(int32_t);
    if (op->kind == OP_LSTM) {
        memcpy(ret_values, &op->lstm.cell_clip, sizeof(float));
        ret_values[1] = op->lstm.time_major;
    } else if (size > 0) {
        memcpy(ret_values, (const char *)op + offsetof(struct op, conv), size);
    }
}

void container_params_set(struct op *op, const int32_t values[CONTAINER_MAX_PARAMS]) {
    size_t size = (size_t)param_count(op->kind) * sizeof(int32_t);
    if (op->kind == OP_LSTM) {
        memcpy(&op->lstm.cell_clip, values, sizeof(float));
        op->lstm.time_major = values[1] != 0;
    } else if (size > 0) {
        memcpy((char *)op + offsetof(struct op, conv), values, size);
    }
}
