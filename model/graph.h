/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a network is: tensors and operators in execution order. Readers build one, passes change it, the runtime
 * compiles it. A graph belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"

struct diag;
struct map;

/* Limits of what any reader accepts. */
#define GRAPH_MAX_DIMS 6
#define GRAPH_MAX_TENSORS 16384
#define GRAPH_MAX_OPS 8192
#define GRAPH_MAX_IO 64              /* inputs or outputs of the network, or of one operator */
#define GRAPH_MAX_ELEMENTS (1 << 28) /* of one tensor */
#define GRAPH_MAX_BYTES ((size_t)1 << 30)
#define GRAPH_MAX_NAME 255
#define GRAPH_MAX_SERVED_NAME 64 /* of a network that a daemon shall serve */
#define GRAPH_MAX_LABELS 65536
#define GRAPH_MAX_HISTORY ((size_t)1 << 20)

#define GRAPH_MAX_BACKINGS 2 /* a file, and what its coded parts were decoded to */

#define GRAPH_NONE (-1) /* an absent optional operand */

/* Positive codes of everything that reads or checks a network. */
enum {
    MODEL_E_INVALID = 1, /* the data contradicts itself or its format; the diag says where */
    /* well-formed, but outside what this program computes; the diag names it */
    MODEL_E_UNSUPPORTED = 2,
};

enum tensor_kind {
    TENSOR_ACTIVATION = 0, /* computed during a run, or an input of the network */
    TENSOR_CONST = 1,      /* `data` holds the values */
    /* Kept from step to step in a session; `data` is the initial value, or NULL: every element starts as the zero point
     * (integers) or 0.0. */
    TENSOR_STATE = 2,
};

/* Affine quantization: real = scale * (q - zero_point). n_scales is 0 (none), 1 (per tensor) or dims[axis]; in groups,
 * which only weights of CONV_2D and FULLY_CONNECTED may be, one scale for every `group` consecutive elements: it divides
 * the elements of an output channel, scales are [dims[0]][elements of a channel / group], the zero point is 0. */
struct quant {
    const float *scales;
    uint32_t n_scales;
    uint32_t group; /* 0: none */
    int32_t zero_point;
    uint8_t axis;
};

struct tensor {
    const char *name; /* set for inputs, outputs and states of the network, else may be NULL */
    enum dtype dtype;
    enum tensor_kind kind;
    uint8_t n_dims;               /* 0 is a scalar */
    int32_t dims[GRAPH_MAX_DIMS]; /* each >= 1, product at most GRAPH_MAX_ELEMENTS; row major */
    struct quant quant;
    /* Little endian, aligned for its dtype; owned by the graph or by its backing map. */
    const void *data;
    size_t
        size; /* bytes of one value of the tensor: dtype_bytes() of its elements, for every kind */
};

/*
 * Operators, named as in TensorFlow Lite. Values are stored in `.edge` files: never reuse one.
 * X(constant, value, name). Operand order is TensorFlow Lite's unless said at the parameters below. Operands that are
 * only shapes, axes or paddings (constant int32 tensors in the file) are read into the parameters and are not operands.
 */
#define GRAPH_OPS(X)                                                                               \
    X(OP_CONV_2D, 1, "CONV_2D")                                                                    \
    X(OP_DEPTHWISE_CONV_2D, 2, "DEPTHWISE_CONV_2D")                                                \
    X(OP_FULLY_CONNECTED, 3, "FULLY_CONNECTED")                                                    \
    X(OP_AVERAGE_POOL_2D, 4, "AVERAGE_POOL_2D")                                                    \
    X(OP_MAX_POOL_2D, 5, "MAX_POOL_2D")                                                            \
    X(OP_MEAN, 6, "MEAN")                                                                          \
    X(OP_ADD, 7, "ADD")                                                                            \
    X(OP_SUB, 8, "SUB")                                                                            \
    X(OP_MUL, 9, "MUL")                                                                            \
    X(OP_MAXIMUM, 10, "MAXIMUM")                                                                   \
    X(OP_MINIMUM, 11, "MINIMUM")                                                                   \
    X(OP_PAD, 12, "PAD")                                                                           \
    X(OP_CONCATENATION, 13, "CONCATENATION")                                                       \
    X(OP_RESHAPE, 14, "RESHAPE")                                                                   \
    X(OP_TRANSPOSE, 15, "TRANSPOSE")                                                               \
    X(OP_STRIDED_SLICE, 16, "STRIDED_SLICE")                                                       \
    X(OP_SPLIT, 17, "SPLIT")                                                                       \
    X(OP_SOFTMAX, 18, "SOFTMAX")                                                                   \
    X(OP_LOGISTIC, 19, "LOGISTIC")                                                                 \
    X(OP_TANH, 20, "TANH")                                                                         \
    X(OP_RELU, 21, "RELU")                                                                         \
    X(OP_RELU6, 22, "RELU6")                                                                       \
    X(OP_RELU_N1_TO_1, 23, "RELU_N1_TO_1")                                                         \
    X(OP_LEAKY_RELU, 24, "LEAKY_RELU")                                                             \
    X(OP_QUANTIZE, 25, "QUANTIZE")                                                                 \
    X(OP_DEQUANTIZE, 26, "DEQUANTIZE")                                                             \
    X(OP_LSTM, 27, "UNIDIRECTIONAL_SEQUENCE_LSTM")                                                 \
    X(OP_SVDF, 28, "SVDF")                                                                         \
    X(OP_READ_STATE, 29, "READ_VARIABLE")                                                          \
    X(OP_WRITE_STATE, 30, "ASSIGN_VARIABLE")                                                       \
    X(OP_MFCC, 31, "MFCC")

enum op_kind {
#define X(constant, value, name) constant = value,
    GRAPH_OPS(X)
#undef X
        OP_KIND_END
};

/* The name in GRAPH_OPS; NULL for anything else. */
const char *op_kind_name(enum op_kind kind);

enum activation {
    ACT_NONE = 0,
    ACT_RELU = 1,
    ACT_RELU_N1_TO_1 = 2,
    ACT_RELU6 = 3,
    ACT_TANH = 4, /* LSTM only */
};

/* CONV_2D: x, filter OHWI (I may be C/groups), bias or GRAPH_NONE. DEPTHWISE_CONV_2D: x, filter [1,kh,kw,C*multiplier],
 * bias or GRAPH_NONE. Under FP32 input these and FULLY_CONNECTED take FP32 or symmetric INT8 filters, CONV_2D and
 * FULLY_CONNECTED also INT4 (docs/operators.md, "Weights of few bits"); input, bias and result are FP32 then.
 * Paddings are explicit: readers resolve SAME and VALID. */
struct op_conv {
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
};

/* AVERAGE_POOL_2D, MAX_POOL_2D: x */
struct op_pool {
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
};

/* PAD (PADV2 too): x. `value` is the raw fill value: for int8 an integer, for FP32 the bits of the float. */
struct op_pad {
    int32_t before[GRAPH_MAX_DIMS], after[GRAPH_MAX_DIMS];
    int32_t value;
};

/* STRIDED_SLICE: x. Resolved for the input's shape: element k of axis d is begin[d] + k * stride[d], 0 <= k < count[d].
 * Axes that shrink have count 1 and are absent from the output's dims. Strides may be negative. */
struct op_slice {
    int32_t begin[GRAPH_MAX_DIMS], stride[GRAPH_MAX_DIMS], count[GRAPH_MAX_DIMS];
};

/* MFCC front end: x FP32 or INT16 [1, samples] -> FP32 [1, frames, coefficients, 1]. Definition in docs/frontends.md.
 * INT16 input counts as value / 32768. */
struct op_mfcc {
    int32_t sample_rate;     /* Hz */
    int32_t frame, hop, fft; /* samples */
    int32_t bands, coefficients;
    int32_t first_bin, last_bin; /* of the FFT, inclusive */
    float low_hz, high_hz;
    float floor; /* smallest band energy before the logarithm */
};

struct op {
    enum op_kind kind;
    /* CONV, DEPTHWISE, FULLY_CONNECTED, pools, ADD, SUB, MUL, CONCATENATION (NONE only), SVDF */
    enum activation act;
    uint16_t n_inputs, n_outputs;
    const int32_t *inputs;  /* tensor indices or GRAPH_NONE; owned by the graph */
    const int32_t *outputs; /* tensor indices */
    union {
        struct op_conv conv;
        struct op_pool pool;
        struct op_pad pad;
        struct op_slice slice;
        struct op_mfcc mfcc;
        struct {
            uint32_t axes; /* bit d: axis d is reduced */
        } mean;
        struct {
            /* >= 0; CONCATENATION and SPLIT. The parts' sizes are the operands' dims. */
            int32_t axis;
        } axis;
        struct {
            int32_t perm[GRAPH_MAX_DIMS];
        } transpose;
        struct {
            float beta;
        } softmax;
        struct {
            float alpha;
        } leaky;
        /* UNIDIRECTIONAL_SEQUENCE_LSTM operands: 0 x [batch, time, in] (time_major: [time, batch, in]), 1-4 input weights
         * and 5-8 recurrent weights of gates i f c o, 9-12 biases i f c o, 13 hidden state, 14 cell state (both STATE).
         * No peephole, projection, layer norm or CIFG. */
        struct {
            float cell_clip; /* 0: none */
            bool time_major;
        } lstm;
        /* SVDF operands: 0 x, 1 feature weights, 2 time weights, 3 bias or GRAPH_NONE, 4 state (STATE). */
        struct {
            int32_t rank;
        } svdf;
    };
};

struct graph {
    /* Metadata: never NULL after graph_new(), possibly empty. */
    const char *name, *version, *description, *licence;
    const char *history; /* how the network was compressed, as JSON */
    const char *const *labels;
    uint32_t n_labels;

    struct tensor *tensors;
    /* In an order in which they can run; READ_STATE and WRITE_STATE keep the file's order. */
    struct op *ops;
    int32_t *inputs, *outputs; /* tensor indices */
    uint32_t n_tensors, n_ops, n_inputs, n_outputs;

    struct graph_memory *memory; /* private: what graph_alloc() handed out, and the backing map */
};

/* READ_STATE: input 0 a STATE tensor, output 0 its value. WRITE_STATE: input 0 a STATE tensor, input 1 the value. */

_nodiscard_ int graph_new(struct graph **ret_graph);
/* Accepts NULL; returns NULL. Unmaps the backing. */
struct graph *graph_free(struct graph *graph);
void graph_freep(struct graph **graph);

/* Zeroed memory that lives as long as the graph, aligned to 16; NULL when there is none. */
void *graph_alloc(struct graph *graph, size_t size);
/* A copy in graph memory; NULL when there is none. */
const char *graph_strndup(struct graph *graph, const char *s, size_t len);
/* The graph takes over a mapping that constants and names point into. At most GRAPH_MAX_BACKINGS. */
void graph_set_backing(struct graph *graph, struct map *backing);

/* Room for that many in one piece, before the first is appended. */
_nodiscard_ int graph_reserve(struct graph *graph, uint32_t n_tensors, uint32_t n_ops);
/* Append one; the arrays may move, the index stays. -ENOMEM, or MODEL_E_UNSUPPORTED above the limit. */
_nodiscard_ int graph_add_tensor(struct graph *graph, const struct tensor *tensor,
                                 int32_t *ret_index);
_nodiscard_ int graph_add_op(struct graph *graph, const struct op *op, const int32_t *inputs,
                             const int32_t *outputs);

/* Another array of operators, in graph memory; nothing may be appended in the old one any more. */
void graph_replace_ops(struct graph *graph, struct op *ops, uint32_t n_ops);

/* Whether a daemon serves a network under this name: 1 to GRAPH_MAX_SERVED_NAME of A-Z a-z 0-9 . _ - */
bool graph_name_served(const char *name);

/* Elements of a tensor: the product of its dims. */
size_t tensor_elements(const struct tensor *tensor);

/*
 * Whether everything downstream may rely on this graph: indices in range, every operand defined before it is used and
 * written once, dims and sizes within the limits, operand counts, dtypes, quantization and parameters as the operator
 * demands, output shapes equal to those inferred from inputs. All readers call it last; passes call it after a change.
 * 0, MODEL_E_INVALID or MODEL_E_UNSUPPORTED with the operator's name and index in `diag`.
 */
_nodiscard_ int graph_check(const struct graph *graph, struct diag *diag);

/* Multiply-accumulate operations of one operator for the declared shapes; 0 for operators that have none. */
uint64_t graph_op_macs(const struct graph *graph, const struct op *op);
/* What a run of a checked graph costs, roughly: its multiplications, positions of pooling windows, and results. */
uint64_t graph_work(const struct graph *graph);
