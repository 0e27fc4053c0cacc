/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to graph_check(): the rules an operator's operands and parameters must obey, and what the rules share.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "model/graph.h"

/* One operator under the loupe. Operand counts and kinds are already known to match its rule. */
struct op_check {
    const struct graph *graph;
    const struct op *op;
    struct diag *diag;
};

typedef int (*op_check_fn)(const struct op_check *c);

#define BIT(i) (1U << (i))
#define ACTS_NONE BIT(ACT_NONE)
#define ACTS_CLAMP (BIT(ACT_NONE) | BIT(ACT_RELU) | BIT(ACT_RELU_N1_TO_1) | BIT(ACT_RELU6))

struct op_rule {
    uint8_t min_in, max_in, min_out, max_out;
    uint16_t optional; /* bit i: operand i may be GRAPH_NONE */
    uint16_t constant; /* bit i: operand i is a TENSOR_CONST where present */
    uint16_t state;    /* bit i: operand i is a TENSOR_STATE */
    uint8_t acts;      /* bit a: fused activation a is allowed */
    op_check_fn check;
    bool weights; /* operand 1 may be INT4 and have scales in groups */
};

/* Windows of convolutions and pools stay far from where 32-bit positions overflow. */
#define CHECK_MAX_WINDOW (1 << 24)
#define CHECK_MAX_HYBRID (1 << 17)    /* products of int8 whose sum fits 32 bits */
#define CHECK_MAX_MEAN_INT8 (1 << 23) /* elements whose sum of int8 fits 32 bits */

#define check_invalid(c, ...) diag_set((c)->diag, MODEL_E_INVALID, __VA_ARGS__)
#define check_unsupported(c, ...) diag_set((c)->diag, MODEL_E_UNSUPPORTED, __VA_ARGS__)

/* Operand i, NULL where it is absent. */
static inline const struct tensor *check_in(const struct op_check *c, int i) {
    if (i >= c->op->n_inputs || c->op->inputs[i] == GRAPH_NONE)
        return NULL;
    return &c->graph->tensors[c->op->inputs[i]];
}

static inline const struct tensor *check_out(const struct op_check *c, int i) {
    return &c->graph->tensors[c->op->outputs[i]];
}

bool check_same_dims(const struct tensor *a, const struct tensor *b);
bool check_same_quant(const struct tensor *a, const struct tensor *b);

/* Each: 0, or a code with its sentence set. `what` names the tensor for a human. */
_nodiscard_ int check_dtype(const struct op_check *c, const struct tensor *t, const char *what,
                            enum dtype dtype);
_nodiscard_ int check_rank(const struct op_check *c, const struct tensor *t, const char *what,
                           int n_dims);
/* One scale, in the range every multiplier made of it can bear. */
_nodiscard_ int check_per_tensor(const struct op_check *c, const struct tensor *t,
                                 const char *what);
/* A real multiplier the fixed-point kernels can express. */
_nodiscard_ int check_multiplier(const struct op_check *c, double m);
/* The fused clamp's bounds in the output's own units fit 32 bits. */
_nodiscard_ int check_clamp(const struct op_check *c, const struct tensor *y, enum activation act);
/* Input 0 and output 0 are both FP32, or both INT8 with one scale each. */
_nodiscard_ int check_float_or_int8(const struct op_check *c, bool *ret_is_int8);

int check_conv(const struct op_check *c);
int check_depthwise(const struct op_check *c);
int check_fully_connected(const struct op_check *c);
int check_pool(const struct op_check *c);

int check_mean(const struct op_check *c);
int check_add(const struct op_check *c); /* SUB too */
int check_mul(const struct op_check *c);
int check_extremum(const struct op_check *c);
int check_softmax(const struct op_check *c);
int check_sigmoid(const struct op_check *c); /* LOGISTIC and TANH */
int check_relu(const struct op_check *c);    /* RELU and LEAKY_RELU */
int check_relu_n(const struct op_check *c);  /* RELU6 and RELU_N1_TO_1 */
int check_quantize(const struct op_check *c);
int check_dequantize(const struct op_check *c);

int check_pad(const struct op_check *c);
int check_concatenation(const struct op_check *c);
int check_reshape(const struct op_check *c);
int check_transpose(const struct op_check *c);
int check_slice(const struct op_check *c);
int check_split(const struct op_check *c);

int check_lstm(const struct op_check *c);
int check_svdf(const struct op_check *c);
int check_read_state(const struct op_check *c);
int check_write_state(const struct op_check *c);
int check_mfcc(const struct op_check *c);
