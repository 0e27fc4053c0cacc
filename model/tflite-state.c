/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of TFLite operators with state. A resource variable becomes a TENSOR_STATE; CALL_ONCE, which runs a subgraph
 * the first time it is reached, becomes the initial values: that subgraph may do nothing but assign constants.
 */

#include <stdlib.h>
#include <string.h>

#include "model/tflite-reader.h"

/* Operands of UNIDIRECTIONAL_SEQUENCE_LSTM in a file. */
enum {
    LSTM_INPUT_WEIGHTS = 1,
    LSTM_RECURRENT_WEIGHTS = 5,
    LSTM_PEEPHOLES = 9,
    LSTM_BIASES = 12,
    LSTM_PROJECTION = 16,
    LSTM_HIDDEN_STATE = 18,
    LSTM_CELL_STATE = 19,
    LSTM_NORMS = 20,
    LSTM_END = 24,
};

static bool same_text(const struct fb_string *a, const struct fb_string *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->s, b->s, a->len) == 0);
}

/* The variable of that name; a missing container matches any. */
static int32_t variable_find(struct tfl_op *o, const struct fb_string *container,
                             const struct fb_string *name) {
    struct tfl_reader *r = o->reader;
    for (uint32_t i = 0; i < r->n_variables; i++) {
        const struct tfl_variable *v = &r->variables[i];
        if (same_text(&v->name, name) &&
            (v->container.len == 0 || container->len == 0 || same_text(&v->container, container)))
            return (int32_t)i;
    }
    if (r->n_variables == TFL_MAX_VARIABLES) {
        tfl_unsupported(o, "more than %d variables", TFL_MAX_VARIABLES);
        return GRAPH_NONE;
    }
    r->variables[r->n_variables] =
        (struct tfl_variable){.container = *container, .name = *name, .index = GRAPH_NONE};
    return (int32_t)r->n_variables++;
}

void tfl_read_var_handle(struct tfl_op *o) {
    struct fb_string container = fb_text(&o->options, 0), name = fb_text(&o->options, 1);
    int32_t index = o->outputs.count == 1 ? fb_i32_at(&o->outputs, 0) : -1;
    if (index < 0 || (uint32_t)index >= o->subgraph->n_tensors) {
        tfl_invalid(o, "its result does not exist");
        return;
    }
    if (name.len == 0 || name.len > GRAPH_MAX_NAME || memchr(name.s, 0, name.len)) {
        tfl_unsupported(o, "a variable without a name of at most %d bytes", GRAPH_MAX_NAME);
        return;
    }
    o->subgraph->tensors[index].variable = variable_find(o, &container, &name);
}

/* The variable that operand 0 is a handle of; NULL on error. */
static struct tfl_variable *variable_of(struct tfl_op *o) {
    struct tfl_tensor *t = tfl_required(o, 0);
    if (t && t->variable == GRAPH_NONE)
        tfl_invalid(o, "operand 0 ('%.*s') is not the handle of a variable", TFL_NAME(t));
    return o->err ? NULL : &o->reader->variables[t->variable];
}

/* Makes the variable a state like `like`, whose data is its initial value. */
static void variable_define(struct tfl_op *o, struct tfl_variable *v, const struct tensor *like) {
    struct tensor state = *like;
    state.kind = TENSOR_STATE;
    state.name = graph_strndup(o->reader->graph, v->name.s, v->name.len);
    o->err = state.name ? tfl_add(o->reader, &state, &v->index) : err_origin(-ENOMEM);
}

static void push_variable(struct tfl_op *o, struct tfl_tensor *value) {
    struct tfl_variable *v = variable_of(o);
    if (!v || !value)
        return;
    if (v->index == GRAPH_NONE) {
        struct tensor like;
        o->err = tfl_describe(o->reader, value, false, &like);
        if (!o->err)
            variable_define(o, v, &like);
    }
    tfl_push_index(o, v->index);
}

void tfl_read_read_variable(struct tfl_op *o) {
    int32_t index = o->outputs.count == 1 ? fb_i32_at(&o->outputs, 0) : -1;
    if (index < 0 || (uint32_t)index >= o->subgraph->n_tensors) {
        tfl_invalid(o, "its result does not exist");
        return;
    }
    push_variable(o, &o->subgraph->tensors[index]);
    tfl_finish(o);
}

void tfl_read_assign_variable(struct tfl_op *o) {
    push_variable(o, tfl_required(o, 1));
    tfl_push(o, 1);
    tfl_finish(o);
}

/* Whether every element is the zero point (or 0.0), which is how a state starts without being told. */
static bool starts_at_zero(const struct tensor *t) {
    const uint8_t *bytes = t->data;
    uint8_t want = t->dtype == DTYPE_INT8 ? (uint8_t)t->quant.zero_point : 0;
    if (t->dtype != DTYPE_INT8 && t->quant.zero_point != 0)
        return false;
    for (size_t i = 0; i < t->size; i++)
        if (bytes[i] != want)
            return false;
    return true;
}

/* ASSIGN_VARIABLE in the subgraph of CALL_ONCE. */
static void read_initial_value(struct tfl_op *o) {
    struct tfl_variable *v = variable_of(o);
    struct tfl_tensor *value = tfl_required(o, 1);
    struct tensor tensor;
    if (!v || !value)
        return;
    if (v->index != GRAPH_NONE) {
        tfl_unsupported(o, "variable '%.*s' is used before its initial value is given",
                        (int)MIN(v->name.len, 80U), v->name.s);
        return;
    }
    if (!value->data || value->is_variable) {
        tfl_unsupported(o, "an initial value that is not constant");
        return;
    }
    o->err = tfl_constant(o->reader, value, &tensor);
    if (o->err)
        return;
    if (starts_at_zero(&tensor))
        tensor.data = NULL;
    variable_define(o, v, &tensor);
}

static void read_initial_values(struct tfl_op *once, struct tfl_subgraph *subgraph) {
    for (uint32_t i = 0; i < subgraph->operators.count && !once->err; i++) {
        struct tfl_op o;
        o.err = tfl_op_open(once->reader, subgraph, i, &o);
        if (!o.err && o.kind->read == tfl_read_assign_variable)
            read_initial_value(&o);
        else if (!o.err && o.kind->read == tfl_read_var_handle)
            tfl_read_var_handle(&o);
        else if (!o.err)
            tfl_unsupported(&o, "only constants may be assigned here");
        if (o.err || once->reader->fb.bad)
            once->err = tfl_op_failed(&o, i);
    }
}

void tfl_read_call_once(struct tfl_op *o) {
    int32_t index = fb_i32(&o->options, 0, 0);
    struct tfl_subgraph subgraph = {0};
    if (index < 1) {
        tfl_invalid(o, "subgraph %d", index);
        return;
    }
    o->err = tfl_subgraph_read(o->reader, (uint32_t)index, &subgraph);
    if (!o->err)
        read_initial_values(o, &subgraph);
    free(subgraph.tensors);
}

static void refuse_operands(struct tfl_op *o, uint32_t from, uint32_t end, const char *what) {
    for (uint32_t i = from; i < end; i++)
        if (tfl_operand(o, i))
            tfl_unsupported(o, "%s (operand %u)", what, i);
}

void tfl_read_lstm(struct tfl_op *o) {
    const struct fb_table *opts = &o->options;
    refuse_operands(o, LSTM_PEEPHOLES, LSTM_BIASES, "peephole weights");
    refuse_operands(o, LSTM_PROJECTION, LSTM_HIDDEN_STATE, "a projection");
    refuse_operands(o, LSTM_NORMS, LSTM_END, "layer normalization");
    if (!o->err && !tfl_operand(o, LSTM_INPUT_WEIGHTS))
        tfl_unsupported(o, "coupled input and forget gates");
    tfl_push(o, 0);
    for (uint32_t gate = 0; gate < 4; gate++)
        tfl_push_weights(o, LSTM_INPUT_WEIGHTS + gate);
    for (uint32_t gate = 0; gate < 4; gate++)
        tfl_push_weights(o, LSTM_RECURRENT_WEIGHTS + gate);
    for (uint32_t gate = 0; gate < 4; gate++)
        tfl_push_bias(o, LSTM_BIASES + gate);
    tfl_push(o, LSTM_HIDDEN_STATE);
    tfl_push(o, LSTM_CELL_STATE);
    o->op.act = tfl_activation_field(o, 0);
    o->op.lstm.cell_clip = fb_f32(opts, 1, 0);
    o->op.lstm.time_major = fb_bool(opts, 3, false);
    if (fb_bool(opts, 5, false))
        tfl_unsupported(o, "diagonal recurrent weights");
    tfl_finish(o);
}

void tfl_read_svdf(struct tfl_op *o) {
    tfl_push(o, 0);
    tfl_push_weights(o, 1);
    tfl_push_weights(o, 2);
    tfl_push_bias(o, 3);
    tfl_push(o, 4);
    o->op.svdf.rank = fb_i32(&o->options, 0, 0);
    o->op.act = tfl_activation_field(o, 1);
    tfl_finish(o);
}
