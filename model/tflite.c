/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TFLite reader: walks the main subgraph's operators in file order, adding to the graph what they use. Field numbers
 * are those of schema.fbs. All state is in one struct tfl_reader on the stack.
 */

#include "model/tflite.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "model/tflite-reader.h"

#define SCHEMA_VERSION 3

static int bad_file(struct tfl_reader *r) {
    return diag_set(r->diag, MODEL_E_INVALID, "broken offset at byte %zu", r->fb.bad_at);
}

/* The constant bytes of a tensor. Buffer 0 is empty by convention. */
static void read_buffer(struct tfl_reader *r, uint32_t index, struct tfl_tensor *t) {
    if (index >= r->buffers.count) {
        t->unsupported = "refers to a buffer that does not exist";
        return;
    }
    struct fb_table buffer = fb_table_at(&r->buffers, index);
    struct fb_vector data = fb_elements(&buffer, 0, 1);
    uint64_t offset = fb_u64(&buffer, 1, 0), size = fb_u64(&buffer, 2, 0);
    if (data.count > 0) {
        t->data = data.data;
        t->data_size = data.count;
    } else if (offset > 1 && size > 0) { /* outside the FlatBuffer proper */
        if (!range_within(offset, size, r->fb.size)) {
            t->unsupported = "has its data beyond the end of the file";
            return;
        }
        t->data = r->fb.data + offset;
        t->data_size = (size_t)size;
    }
}

static void read_tensor(struct tfl_reader *r, const struct fb_table *table, struct tfl_tensor *t) {
    struct fb_table quantization = fb_child(table, 4);
    *t = (struct tfl_tensor){
        .shape = fb_elements(table, 0, 4),
        .type = fb_u8(table, 1, TFL_FLOAT32),
        .name = fb_text(table, 3),
        .scales = fb_elements(&quantization, 2, 4),
        .zero_points = fb_elements(&quantization, 3, 8),
        .axis = fb_i32(&quantization, 6, 0),
        .is_variable = fb_bool(table, 5, false),
        .index = GRAPH_NONE,
        .raw_index = GRAPH_NONE,
        .float_index = GRAPH_NONE,
        .variable = GRAPH_NONE,
    };
    if (fb_u8(&quantization, 4, 0) != 0)
        t->unsupported = "is quantized in blocks or a custom way";
    if (fb_has(table, 6))
        t->unsupported = "is stored sparse";
    if (fb_u32(table, 10, 0) != 0)
        t->unsupported = "has its data in another file";
    read_buffer(r, fb_u32(table, 2, 0), t);
}

int tfl_subgraph_read(struct tfl_reader *r, uint32_t index, struct tfl_subgraph *ret_subgraph) {
    if (index >= r->subgraphs.count)
        return diag_set(r->diag, MODEL_E_INVALID, "subgraph %u does not exist", index);
    struct fb_table table = fb_table_at(&r->subgraphs, index);
    struct fb_vector tensors = fb_elements(&table, 0, 4);
    struct tfl_subgraph s = {
        .n_tensors = tensors.count,
        .inputs = fb_elements(&table, 1, 4),
        .outputs = fb_elements(&table, 2, 4),
        .operators = fb_elements(&table, 3, 4),
    };
    if (tensors.count > GRAPH_MAX_TENSORS || s.operators.count > GRAPH_MAX_OPS)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "%u tensors and %u operators", tensors.count,
                        s.operators.count);
    s.tensors = calloc(MAX(tensors.count, 1U), sizeof(*s.tensors));
    if (!s.tensors)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < tensors.count && !r->fb.bad; i++) {
        struct fb_table tensor = fb_table_at(&tensors, i);
        read_tensor(r, &tensor, &s.tensors[i]);
    }
    if (r->fb.bad) {
        free(s.tensors);
        return bad_file(r);
    }
    *ret_subgraph = s;
    return 0;
}

struct tfl_tensor *tfl_operand(struct tfl_op *o, uint32_t i) {
    if (o->err || i >= o->inputs.count)
        return NULL;
    int32_t index = fb_i32_at(&o->inputs, i);
    if (index == -1)
        return NULL;
    if (index < 0 || (uint32_t)index >= o->subgraph->n_tensors) {
        tfl_invalid(o, "operand %u is tensor %d, which does not exist", i, index);
        return NULL;
    }
    return &o->subgraph->tensors[index];
}

struct tfl_tensor *tfl_required(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = tfl_operand(o, i);
    if (!t)
        tfl_invalid(o, "operand %u is missing", i);
    return t;
}

void tfl_push_index(struct tfl_op *o, int32_t index) {
    if (o->err)
        return;
    if (o->op.n_inputs == GRAPH_MAX_IO) {
        tfl_unsupported(o, "more than %d operands", GRAPH_MAX_IO);
        return;
    }
    if (o->op.n_inputs == 0 && index != GRAPH_NONE)
        o->is_float = o->reader->graph->tensors[index].dtype == DTYPE_FP32;
    o->operands[o->op.n_inputs++] = index;
}

void tfl_push(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = tfl_required(o, i);
    int32_t index = GRAPH_NONE;
    if (t)
        o->err = tfl_value(o->reader, t, &index);
    tfl_push_index(o, index);
}

void tfl_push_weights(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = tfl_required(o, i);
    int32_t index = GRAPH_NONE;
    if (t && o->is_float)
        o->err = tfl_float_constant(o->reader, t, &index);
    else if (t)
        o->err = tfl_value(o->reader, t, &index);
    if (t && t->type == TFL_INT8 && !o->is_float && !o->err &&
        o->reader->graph->tensors[index].quant.zero_point != 0)
        tfl_unsupported(o, "INT8 weights '%.*s' with a zero point", TFL_NAME(t));
    tfl_push_index(o, index);
}

/* Constants that may stay integers: no zero point, all scales positive. */
static bool is_symmetric(const struct tfl_tensor *t) {
    if (!t->data || t->is_variable || (t->type != TFL_INT8 && t->type != TFL_INT4))
        return false;
    for (uint32_t i = 0; i < t->zero_points.count; i++)
        if (fb_i64_at(&t->zero_points, i) != 0)
            return false;
    for (uint32_t i = 0; i < t->scales.count; i++)
        if (!(fb_f32_at(&t->scales, i) > 0))
            return false;
    return t->scales.count > 0;
}

void tfl_push_filter(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = tfl_operand(o, i);
    if (o->is_float && t && is_symmetric(t))
        tfl_push(o, i);
    else
        tfl_push_weights(o, i);
}

void tfl_push_bias(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = tfl_operand(o, i);
    int32_t index = GRAPH_NONE;
    if (t)
        o->err = tfl_value(o->reader, t, &index);
    if (index != GRAPH_NONE && !o->err) /* the scale follows from input and weights */
        o->reader->graph->tensors[index].quant = (struct quant){0};
    tfl_push_index(o, index);
}

const struct tensor *tfl_pushed(const struct tfl_op *o, int i) {
    return &o->reader->graph->tensors[o->operands[i]];
}

static struct tfl_tensor *result(struct tfl_op *o, uint32_t i) {
    if (o->err)
        return NULL;
    int32_t index = i < o->outputs.count ? fb_i32_at(&o->outputs, i) : -1;
    if (index < 0 || (uint32_t)index >= o->subgraph->n_tensors) {
        tfl_invalid(o, "result %u is tensor %d, which does not exist", i, index);
        return NULL;
    }
    return &o->subgraph->tensors[index];
}

int tfl_result_dims(struct tfl_op *o, uint32_t i, int32_t dims[GRAPH_MAX_DIMS]) {
    struct tfl_tensor *t = result(o, i);
    if (!t)
        return 0;
    if (t->shape.count > GRAPH_MAX_DIMS) {
        tfl_unsupported(o, "result %u has %u dimensions", i, t->shape.count);
        return 0;
    }
    for (uint32_t d = 0; d < t->shape.count; d++)
        dims[d] = fb_i32_at(&t->shape, d);
    return (int)t->shape.count;
}

enum activation tfl_activation_field(struct tfl_op *o, unsigned field) {
    int8_t act = fb_i8(&o->options, field, ACT_NONE);
    if (act < ACT_NONE || act > ACT_TANH) {
        tfl_unsupported(o, "fused activation %d", act);
        return ACT_NONE;
    }
    return (enum activation)act;
}

int tfl_ints(struct tfl_op *o, uint32_t i, int max, int32_t *ret_values) {
    struct tfl_tensor *t = tfl_required(o, i);
    if (!t)
        return 0;
    size_t elem = t->type == TFL_INT64 ? 8 : 4;
    if (!t->data || t->is_variable || (t->type != TFL_INT32 && t->type != TFL_INT64) ||
        t->unsupported) {
        tfl_unsupported(o, "operand %u ('%.*s') is not a constant INT32 tensor", i, TFL_NAME(t));
        return 0;
    }
    if (t->data_size % elem || t->data_size / elem > (size_t)max) {
        tfl_invalid(o, "operand %u ('%.*s') has %zu bytes", i, TFL_NAME(t), t->data_size);
        return 0;
    }
    int n = (int)(t->data_size / elem);
    struct fb_vector values = {.data = t->data, .count = (uint32_t)n};
    for (int k = 0; k < n; k++) {
        int64_t v = elem == 8 ? fb_i64_at(&values, (uint32_t)k) : fb_i32_at(&values, (uint32_t)k);
        ret_values[k] = (int32_t)MIN(MAX(v, (int64_t)INT32_MIN), (int64_t)INT32_MAX);
    }
    return n;
}

/* Makes room for result i; *ret_index is where the operator writes it. */
static void add_result(struct tfl_op *o, uint32_t i, int32_t *ret_index) {
    struct tfl_tensor *t = result(o, i);
    if (!t)
        return;
    if (t->data || t->is_variable || t->index != GRAPH_NONE || t->raw_index != GRAPH_NONE) {
        tfl_invalid(o, "result %u ('%.*s') already has a value", i, TFL_NAME(t));
        return;
    }
    bool raw = o->raw_result && t->type == TFL_UINT8 && t->is_output;
    o->err = tfl_activation(o->reader, t, raw);
    *ret_index = raw ? t->raw_index : t->index;
}

/* A UINT8 output of the network that was computed as INT8 gets its raw form. */
static void add_raw_form(struct tfl_op *o, uint32_t i) {
    struct tfl_tensor *t = result(o, i);
    if (!t || t->type != TFL_UINT8 || !t->is_output || t->raw_index != GRAPH_NONE)
        return;
    o->err = tfl_activation(o->reader, t, true);
    if (!o->err)
        o->err = tfl_convert(o->reader, t->index, t->raw_index);
}

void tfl_finish(struct tfl_op *o) {
    int32_t results[GRAPH_MAX_IO] = {0};
    if (o->outputs.count > GRAPH_MAX_IO)
        tfl_unsupported(o, "%u results", o->outputs.count);
    for (uint32_t i = 0; i < o->outputs.count && !o->err; i++)
        add_result(o, i, &results[i]);
    if (o->err)
        return;
    o->op.n_outputs = (uint16_t)o->outputs.count;
    o->err = graph_add_op(o->reader->graph, &o->op, o->operands, results);
    if (o->err == MODEL_E_UNSUPPORTED)
        diag_set(o->reader->diag, o->err, "more than %d operators", GRAPH_MAX_OPS);
    for (uint32_t i = 0; i < o->outputs.count && !o->err; i++)
        add_raw_form(o, i);
}

/* What an operator is called: its name in the schema, or its custom code. */
static int unknown_operator(struct tfl_op *o, int32_t code, const struct fb_table *entry) {
    struct fb_string custom = fb_text(entry, 1);
    const char *name = tfl_builtin_name(code);
    if (custom.len > 0)
        tfl_unsupported(o, "custom operator '%.*s' is not supported", (int)MIN(custom.len, 80U),
                        custom.s);
    else if (name)
        tfl_unsupported(o, "operator %s is not supported", name);
    else
        tfl_unsupported(o, "builtin operator %d is not known", code);
    return o->err;
}

static int find_kind(struct tfl_op *o, uint32_t opcode_index) {
    const struct fb_vector *codes = &o->reader->codes;
    if (opcode_index >= codes->count) {
        tfl_invalid(o, "operator code %u does not exist", opcode_index);
        return o->err;
    }
    struct fb_table entry = fb_table_at(codes, opcode_index);
    int32_t code = MAX((int32_t)fb_i8(&entry, 0, 0), fb_i32(&entry, 3, 0));
    o->kind = tfl_op_kind_find(code);
    return o->kind ? 0 : unknown_operator(o, code, &entry);
}

int tfl_op_open(struct tfl_reader *r, struct tfl_subgraph *subgraph, uint32_t i,
                struct tfl_op *ret_op) {
    struct fb_table table = fb_table_at(&subgraph->operators, i);
    *ret_op = (struct tfl_op){
        .reader = r,
        .subgraph = subgraph,
        .inputs = fb_elements(&table, 1, 4),
        .outputs = fb_elements(&table, 2, 4),
    };
    if (r->fb.bad || find_kind(ret_op, fb_u32(&table, 0, 0)))
        return r->fb.bad ? bad_file(r) : ret_op->err;
    ret_op->op.kind = ret_op->kind->kind;
    uint8_t options = fb_u8(&table, 3, 0);
    /* Without options their defaults hold; options of another operator are a broken file. */
    if (options != 0 && options == ret_op->kind->options)
        ret_op->options = fb_child(&table, 4);
    else if (options != 0 && ret_op->kind->options != 0)
        tfl_invalid(ret_op, "options of another operator (type %u)", options);
    return r->fb.bad ? bad_file(r) : ret_op->err;
}

int tfl_op_failed(const struct tfl_op *o, uint32_t i) {
    struct tfl_reader *r = o->reader;
    int err = r->fb.bad ? bad_file(r) : o->err;
    const char *name = o->kind ? op_kind_name(o->kind->kind) : NULL;
    if (o->kind && o->kind->code != 0 && tfl_builtin_name(o->kind->code))
        name = tfl_builtin_name(o->kind->code);
    int32_t out = o->outputs.count ? fb_i32_at(&o->outputs, 0) : -1;
    const struct tfl_tensor *t =
        out >= 0 && (uint32_t)out < o->subgraph->n_tensors ? &o->subgraph->tensors[out] : NULL;
    if (t && t->name.len)
        return diag_prefix(r->diag, err, "operator %u%s%s (computes '%.*s')", i, name ? " " : "",
                           name ? name : "", TFL_NAME(t));
    return diag_prefix(r->diag, err, "operator %u%s%s", i, name ? " " : "", name ? name : "");
}

static int read_operators(struct tfl_reader *r) {
    for (uint32_t i = 0; i < r->main.operators.count; i++) {
        struct tfl_op o;
        o.err = tfl_op_open(r, &r->main, i, &o);
        if (!o.err)
            o.kind->read(&o);
        if (o.err || r->fb.bad)
            return tfl_op_failed(&o, i);
    }
    return 0;
}

/* Marks the inputs or outputs of the network; an input is there from the start. */
static int mark_ports(struct tfl_reader *r, const struct fb_vector *ports, bool inputs) {
    const char *what = inputs ? "input" : "output";
    if (ports->count < 1 || ports->count > GRAPH_MAX_IO)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "%u %ss", ports->count, what);
    for (uint32_t i = 0; i < ports->count; i++) {
        int32_t index = fb_i32_at(ports, i);
        if (index < 0 || (uint32_t)index >= r->main.n_tensors)
            return diag_set(r->diag, MODEL_E_INVALID, "%s %u is tensor %d, which does not exist",
                            what, i, index);
        struct tfl_tensor *t = &r->main.tensors[index];
        if (t->data || t->is_variable || t->type == TFL_RESOURCE)
            return diag_set(r->diag, MODEL_E_UNSUPPORTED,
                            "%s %u ('%.*s') is a constant or a variable", what, i, TFL_NAME(t));
        *(inputs ? &t->is_input : &t->is_output) = true;
    }
    return 0;
}

static int add_inputs(struct tfl_reader *r) {
    for (uint32_t i = 0; i < r->main.inputs.count; i++) {
        struct tfl_tensor *t = &r->main.tensors[fb_i32_at(&r->main.inputs, i)];
        if (t->index != GRAPH_NONE || t->raw_index != GRAPH_NONE)
            return diag_set(r->diag, MODEL_E_INVALID, "input '%.*s' is there twice", TFL_NAME(t));
        int e = tfl_activation(r, t, t->type == TFL_UINT8);
        if (e)
            return e;
    }
    return 0;
}

/* The graph's list of inputs or outputs. */
static int list_ports(struct tfl_reader *r, const struct fb_vector *ports, int32_t **ret_list,
                      uint32_t *ret_n) {
    int32_t *list = graph_alloc(r->graph, ports->count * sizeof(*list));
    if (!list)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < ports->count; i++) {
        const struct tfl_tensor *t = &r->main.tensors[fb_i32_at(ports, i)];
        list[i] = t->raw_index != GRAPH_NONE ? t->raw_index : t->index;
        if (list[i] == GRAPH_NONE)
            return diag_set(r->diag, MODEL_E_INVALID, "'%.*s' is not computed", TFL_NAME(t));
    }
    *ret_list = list;
    *ret_n = ports->count;
    return 0;
}

static int read_main(struct tfl_reader *r) {
    struct graph *g = r->graph;
    int e = mark_ports(r, &r->main.inputs, true);
    if (e == 0)
        e = mark_ports(r, &r->main.outputs, false);
    if (e == 0)
        e = add_inputs(r);
    if (e == 0)
        e = read_operators(r);
    if (e == 0)
        e = list_ports(r, &r->main.inputs, &g->inputs, &g->n_inputs);
    if (e == 0)
        e = list_ports(r, &r->main.outputs, &g->outputs, &g->n_outputs);
    return e ? e : graph_check(g, r->diag);
}

static int read_model(struct tfl_reader *r) {
    struct fb_table model;
    if (!fb_root(&r->fb, "TFL3", &model))
        return r->fb.bad ? bad_file(r)
                         : diag_set(r->diag, MODEL_E_INVALID,
                                    "not a TensorFlow Lite file (no identifier TFL3)");
    uint32_t version = fb_u32(&model, 0, 0);
    if (version != SCHEMA_VERSION)
        return diag_set(r->diag, MODEL_E_UNSUPPORTED, "schema version %u, not %d", version,
                        SCHEMA_VERSION);
    r->codes = fb_elements(&model, 1, 4);
    r->subgraphs = fb_elements(&model, 2, 4);
    r->buffers = fb_elements(&model, 4, 4);
    if (r->fb.bad)
        return bad_file(r);
    r->variables = calloc(TFL_MAX_VARIABLES, sizeof(*r->variables));
    if (!r->variables)
        return err_origin(-ENOMEM);
    int e = tfl_subgraph_read(r, 0, &r->main);
    return e ? e : read_main(r);
}

int tflite_read(const void *data, size_t size, struct graph **ret_graph, struct diag *diag) {
    _cleanup_(graph_freep) struct graph *graph = NULL;
    int e = graph_new(&graph);
    if (e)
        return diag_set(diag, e, "no memory");
    struct tfl_reader r = {.graph = graph, .diag = diag};
    fb_init(&r.fb, data, size);
    e = read_model(&r);
    free(r.main.tensors);
    free(r.variables);
    if (e == -ENOMEM)
        diag_set(diag, e, "no memory");
    if (e == 0)
        *ret_graph = steal(&graph);
    return e;
}
