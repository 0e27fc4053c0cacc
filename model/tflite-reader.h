/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the TFLite reader: the file's tensors beside what became of them in the graph, and the operator that is
 * being read. One thread; everything lives for one call of tflite_read().
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/flatbuffer.h"
#include "model/graph.h"

/* TensorType of the schema, as far as it is understood. */
enum tfl_type {
    TFL_FLOAT32 = 0,
    TFL_FLOAT16 = 1,
    TFL_INT32 = 2,
    TFL_UINT8 = 3,
    TFL_INT64 = 4,
    TFL_BOOL = 6,
    TFL_INT16 = 7,
    TFL_INT8 = 9,
    TFL_FLOAT64 = 10,
    TFL_RESOURCE = 13,
    TFL_INT4 = 17,
};

/* One tensor of the file. Only what operators use becomes part of the graph, and only then is it judged. */
struct tfl_tensor {
    struct fb_vector shape, scales, zero_points;
    struct fb_string name;
    const uint8_t *data; /* constant bytes in the file; NULL: computed */
    size_t data_size;
    int32_t axis; /* of the scales */
    uint8_t type;
    bool is_variable;
    bool is_input, is_output; /* of the network */
    const char *unsupported;  /* a property no operator here copes with */
    /* Its places in the graph, or GRAPH_NONE. A UINT8 input or output of the network has two forms: the raw one,
     * and the INT8 one everything else computes with; each is made from the other by QUANTIZE. */
    int32_t index, raw_index;
    int32_t float_index; /* a constant turned into FP32 */
    int32_t variable;    /* of a resource handle: which */
};

struct tfl_subgraph {
    struct tfl_tensor *tensors;
    uint32_t n_tensors;
    struct fb_vector inputs, outputs, operators;
};

/* A resource variable: known by its name, a graph tensor as soon as its type and shape are known. */
struct tfl_variable {
    struct fb_string container, name;
    int32_t index;
};

#define TFL_MAX_VARIABLES 1024

struct tfl_reader {
    struct fb fb;
    struct graph *graph;
    struct diag *diag;
    struct fb_vector codes, subgraphs, buffers;
    struct tfl_subgraph main;
    struct tfl_variable *variables;
    uint32_t n_variables;
};

/* The operator being read. The first error sticks: after it every step does nothing. */
struct tfl_op {
    struct tfl_reader *reader;
    struct tfl_subgraph *subgraph;
    const struct tfl_op_kind *kind;
    struct fb_vector inputs, outputs;
    struct fb_table options;
    struct op op; /* parameters collect here */
    int32_t operands[GRAPH_MAX_IO];
    bool is_float;   /* operand 0 is FP32 */
    bool raw_result; /* writes the raw form of a UINT8 output */
    int err;
};

/* A builtin operator that can be read. */
struct tfl_op_kind {
    int32_t code; /* BuiltinOperator */
    enum op_kind kind;
    uint8_t options; /* BuiltinOptions; 0: it has none */
    void (*read)(struct tfl_op *o);
};

/* The name of a BuiltinOperator, NULL for an unknown one (tflite-names.c). */
const char *tfl_builtin_name(int32_t code);
/* NULL where it cannot be read (tflite-ops.c). */
const struct tfl_op_kind *tfl_op_kind_find(int32_t code);

/* A name for messages: at most 80 bytes of it. */
#define TFL_NAME(t) (int)MIN((t)->name.len, 80U), (t)->name.s

#define tfl_fail(o, code, ...)                                                                     \
    ((void)((o)->err = (o)->err ? (o)->err : diag_set((o)->reader->diag, (code), __VA_ARGS__)))
#define tfl_invalid(o, ...) tfl_fail(o, MODEL_E_INVALID, __VA_ARGS__)
#define tfl_unsupported(o, ...) tfl_fail(o, MODEL_E_UNSUPPORTED, __VA_ARGS__)

/* --- tflite-tensor.c: tensors of the file as tensors of the graph --- */

/* Type, dims, quantization and name of `t`, in its INT8 form where it is UINT8 unless `raw`. Not added to the graph. */
_nodiscard_ int tfl_describe(struct tfl_reader *r, const struct tfl_tensor *t, bool raw,
                             struct tensor *ret_tensor);
/* The same with the values of a constant, copied. */
_nodiscard_ int tfl_constant(struct tfl_reader *r, const struct tfl_tensor *t,
                             struct tensor *ret_tensor);
/* Adds it to the graph. */
_nodiscard_ int tfl_add(struct tfl_reader *r, const struct tensor *tensor, int32_t *ret_index);
/* A value that an operator reads: a constant, a state or an activation, in its INT8 form. */
_nodiscard_ int tfl_value(struct tfl_reader *r, struct tfl_tensor *t, int32_t *ret_index);
/* A constant as FP32, whatever it is stored as. */
_nodiscard_ int tfl_float_constant(struct tfl_reader *r, struct tfl_tensor *t, int32_t *ret_index);
/* Adds an activation, the raw form or the other. */
_nodiscard_ int tfl_activation(struct tfl_reader *r, struct tfl_tensor *t, bool raw);
/* QUANTIZE between the two forms of a UINT8 tensor. */
_nodiscard_ int tfl_convert(struct tfl_reader *r, int32_t from, int32_t to);

/* --- tflite.c: steps of reading an operator --- */

/* Operand i of the file; NULL where it is absent. */
struct tfl_tensor *tfl_operand(struct tfl_op *o, uint32_t i);
/* The same, an error where it is absent. */
struct tfl_tensor *tfl_required(struct tfl_op *o, uint32_t i);
/* Append operand i of the file to the graph operator: as it is; as weights, made float under a float operator; as the
 * filter of an operator that takes symmetric integers under float activations, which stay what they are; as a bias, which
 * may be absent and whose scale is implied; as nothing. */
void tfl_push(struct tfl_op *o, uint32_t i);
void tfl_push_weights(struct tfl_op *o, uint32_t i);
void tfl_push_filter(struct tfl_op *o, uint32_t i);
void tfl_push_bias(struct tfl_op *o, uint32_t i);
void tfl_push_index(struct tfl_op *o, int32_t index);
/* Adds the results and the operator to the graph. */
void tfl_finish(struct tfl_op *o);
/* The graph tensor of pushed operand i. */
const struct tensor *tfl_pushed(const struct tfl_op *o, int i);
/* Values of constant operand i, INT32 or INT64 (saturated). Returns how many, at most `max`; else an error. */
int tfl_ints(struct tfl_op *o, uint32_t i, int max, int32_t *ret_values);
/* Dims of result i. */
int tfl_result_dims(struct tfl_op *o, uint32_t i, int32_t dims[GRAPH_MAX_DIMS]);
enum activation tfl_activation_field(struct tfl_op *o, unsigned field);

/* --- readers of operators --- */

void tfl_read_pad(struct tfl_op *o); /* PADV2 too */
void tfl_read_concatenation(struct tfl_op *o);
void tfl_read_reshape(struct tfl_op *o);
void tfl_read_transpose(struct tfl_op *o);
void tfl_read_strided_slice(struct tfl_op *o);
void tfl_read_split(struct tfl_op *o);
void tfl_read_split_v(struct tfl_op *o);

void tfl_read_call_once(struct tfl_op *o);
void tfl_read_var_handle(struct tfl_op *o);
void tfl_read_read_variable(struct tfl_op *o);
void tfl_read_assign_variable(struct tfl_op *o);
void tfl_read_lstm(struct tfl_op *o);
void tfl_read_svdf(struct tfl_op *o);

/* Reads a subgraph's tensors; the caller frees ret_subgraph->tensors. */
_nodiscard_ int tfl_subgraph_read(struct tfl_reader *r, uint32_t index,
                                  struct tfl_subgraph *ret_subgraph);
/* Operator i of a subgraph, ready for its kind's read(); its error is prefixed by tfl_op_failed(). */
_nodiscard_ int tfl_op_open(struct tfl_reader *r, struct tfl_subgraph *subgraph, uint32_t i,
                            struct tfl_op *ret_op);
_nodiscard_ int tfl_op_failed(const struct tfl_op *o, uint32_t i);
