/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_check(): tensors one by one, then operators in order against the table of rules, then inputs and outputs. The
 * runtime trusts what passes here, so a rule is as strict as the kernels need. Holds no state.
 */

#include "model/graph-check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define MAX_MACS ((uint64_t)1 << 40)
/* Of one operator, which runs to its end once it has begun: seconds, not minutes, even on a slow core. */
#define MAX_OP_MACS ((uint64_t)1 << 33)
#define MAX_TEXT 4096 /* bytes of a metadata string */

/* What a tensor is at the point the check has reached. */
enum {
    SEEN_DEFINED = 1, /* has a value */
    SEEN_OWNED = 2,   /* a state that belongs to one recurrent operator */
    SEEN_SHARED = 4,  /* a state that READ_STATE and WRITE_STATE use */
    SEEN_COMPUTED = 8 /* written by an operator */
};

#define ANY GRAPH_MAX_IO
/* clang-format off */
static const struct op_rule rules[OP_KIND_END] = {
    /*                        inputs  outputs optional constant      state                acts        check */
    [OP_CONV_2D]           = {3, 3,   1, 1,   BIT(2),  BIT(1) | BIT(2), 0,                ACTS_CLAMP, check_conv, true},
    [OP_DEPTHWISE_CONV_2D] = {3, 3,   1, 1,   BIT(2),  BIT(1) | BIT(2), 0,                ACTS_CLAMP, check_depthwise, false},
    [OP_FULLY_CONNECTED]   = {3, 3,   1, 1,   BIT(2),  BIT(1) | BIT(2), 0,                ACTS_CLAMP, check_fully_connected, true},
    [OP_AVERAGE_POOL_2D]   = {1, 1,   1, 1,   0,       0,               0,                ACTS_CLAMP, check_pool, false},
    [OP_MAX_POOL_2D]       = {1, 1,   1, 1,   0,       0,               0,                ACTS_CLAMP, check_pool, false},
    [OP_MEAN]              = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_mean, false},
    [OP_ADD]               = {2, 2,   1, 1,   0,       0,               0,                ACTS_CLAMP, check_add, false},
    [OP_SUB]               = {2, 2,   1, 1,   0,       0,               0,                ACTS_CLAMP, check_add, false},
    [OP_MUL]               = {2, 2,   1, 1,   0,       0,               0,                ACTS_CLAMP, check_mul, false},
    [OP_MAXIMUM]           = {2, 2,   1, 1,   0,       0,               0,                ACTS_NONE,  check_extremum, false},
    [OP_MINIMUM]           = {2, 2,   1, 1,   0,       0,               0,                ACTS_NONE,  check_extremum, false},
    [OP_PAD]               = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_pad, false},
    [OP_CONCATENATION]     = {1, ANY, 1, 1,   0,       0,               0,                ACTS_NONE,  check_concatenation, false},
    [OP_RESHAPE]           = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_reshape, false},
    [OP_TRANSPOSE]         = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_transpose, false},
    [OP_STRIDED_SLICE]     = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_slice, false},
    [OP_SPLIT]             = {1, 1,   1, ANY, 0,       0,               0,                ACTS_NONE,  check_split, false},
    [OP_SOFTMAX]           = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_softmax, false},
    [OP_LOGISTIC]          = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_sigmoid, false},
    [OP_TANH]              = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_sigmoid, false},
    [OP_RELU]              = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_relu, false},
    [OP_RELU6]             = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_relu_n, false},
    [OP_RELU_N1_TO_1]      = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_relu_n, false},
    [OP_LEAKY_RELU]        = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_relu, false},
    [OP_QUANTIZE]          = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_quantize, false},
    [OP_DEQUANTIZE]        = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_dequantize, false},
    [OP_LSTM]              = {15, 15, 1, 1,   0,       0x1ffe,          BIT(13) | BIT(14), BIT(ACT_TANH), check_lstm, false},
    [OP_SVDF]              = {5, 5,   1, 1,   BIT(3),  BIT(1) | BIT(2) | BIT(3), BIT(4),  ACTS_CLAMP, check_svdf, false},
    [OP_READ_STATE]        = {1, 1,   1, 1,   0,       0,               BIT(0),           ACTS_NONE,  check_read_state, false},
    [OP_WRITE_STATE]       = {2, 2,   0, 0,   0,       0,               BIT(0),           ACTS_NONE,  check_write_state, false},
    [OP_MFCC]              = {1, 1,   1, 1,   0,       0,               0,                ACTS_NONE,  check_mfcc, false},
};
/* clang-format on */

/* Names travel in JSON: valid UTF-8 of at most `max` bytes. */
static bool text_ok(const char *s, size_t max) {
    size_t len = strnlen(s, max + 1);
    return len <= max && utf8_valid(s, len);
}

static bool zero_point_ok(enum dtype dtype, int32_t z) {
    switch (dtype) {
    case DTYPE_INT8:
        return z >= INT8_MIN && z <= INT8_MAX;
    case DTYPE_UINT8:
        return z >= 0 && z <= UINT8_MAX;
    case DTYPE_INT16:
        return z >= INT16_MIN && z <= INT16_MAX;
    case DTYPE_INT32:
        return true;
    default:
        return z == 0;
    }
}

/* A scale for each group of an output channel's weights. */
static int check_groups(const struct tensor *t, struct diag *diag) {
    const struct quant *q = &t->quant;
    if (t->kind != TENSOR_CONST || (t->dtype != DTYPE_INT8 && t->dtype != DTYPE_INT4) ||
        t->n_dims < 2)
        return diag_set(diag, MODEL_E_INVALID, "scales in groups on a tensor that is no weights");
    size_t n = tensor_elements(t), depth = n / (size_t)t->dims[0];
    if (depth % q->group)
        return diag_set(diag, MODEL_E_INVALID, "groups of %u do not divide %zu weights", q->group,
                        depth);
    if (q->n_scales != n / q->group || q->axis != 0)
        return diag_set(diag, MODEL_E_INVALID, "%u scales for groups of %u of %zu weights",
                        q->n_scales, q->group, n);
    return 0;
}

static int check_tensor_quant(const struct tensor *t, struct diag *diag) {
    const struct quant *q = &t->quant;
    bool per_axis =
        t->n_dims > 0 && q->axis < t->n_dims && q->n_scales == (uint32_t)t->dims[q->axis];
    if (q->group) {
        int r = check_groups(t, diag);
        if (r)
            return r;
    } else if (q->n_scales > 1 && !per_axis)
        return diag_set(diag, MODEL_E_INVALID, "%u scales do not match its dimensions",
                        q->n_scales);
    if (q->n_scales > 0 && (!q->scales || t->dtype == DTYPE_FP32 || t->dtype == DTYPE_FP64))
        return diag_set(diag, MODEL_E_INVALID, "scales on a tensor that has none");
    for (uint32_t i = 0; i < q->n_scales; i++)
        if (!isfinite(q->scales[i]) || q->scales[i] < 0)
            return diag_set(diag, MODEL_E_INVALID, "scale %u is not a number a scale can be", i);
    if (!zero_point_ok(t->dtype, q->zero_point) ||
        ((q->n_scales != 1 || q->group) && q->zero_point != 0))
        return diag_set(diag, MODEL_E_INVALID, "zero point %d is out of range", q->zero_point);
    return 0;
}

static int check_tensor(const struct tensor *t, size_t *total, struct diag *diag) {
    size_t n = 1;
    if (!dtype_name(t->dtype) || t->n_dims > GRAPH_MAX_DIMS || (unsigned)t->kind > TENSOR_STATE)
        return diag_set(diag, MODEL_E_INVALID, "no such type");
    for (int d = 0; d < t->n_dims; d++) {
        if (t->dims[d] < 1)
            return diag_set(diag, MODEL_E_INVALID, "dimension %d is %d", d, t->dims[d]);
        n *= (size_t)t->dims[d];
        if (n > GRAPH_MAX_ELEMENTS)
            return diag_set(diag, MODEL_E_UNSUPPORTED, "more than %d elements", GRAPH_MAX_ELEMENTS);
    }
    size_t size = dtype_bytes(t->dtype, n);
    if (t->size != size)
        return diag_set(diag, MODEL_E_INVALID, "%zu bytes where %zu are needed", t->size, size);
    if (t->dtype == DTYPE_INT4 && t->kind != TENSOR_CONST)
        return diag_set(diag, MODEL_E_INVALID, "INT4 is for weights only");
    *total += t->size;
    if (*total > GRAPH_MAX_BYTES)
        return diag_set(diag, MODEL_E_UNSUPPORTED, "more than %zu bytes of tensors",
                        GRAPH_MAX_BYTES);
    if ((t->kind == TENSOR_CONST && !t->data) || (t->kind == TENSOR_ACTIVATION && t->data))
        return diag_set(diag, MODEL_E_INVALID, "data does not go with its kind");
    if ((uintptr_t)t->data % MAX(dtype_size(t->dtype), (size_t)1))
        return diag_set(diag, MODEL_E_INVALID, "data is not aligned");
    if (t->name && !text_ok(t->name, GRAPH_MAX_NAME))
        return diag_set(diag, MODEL_E_INVALID, "its name is too long or not UTF-8");
    return check_tensor_quant(t, diag);
}

static int check_tensors(const struct graph *graph, struct diag *diag) {
    size_t total = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        int r = check_tensor(&graph->tensors[i], &total, diag);
        if (r)
            return diag_prefix(diag, r, "tensor %u", i);
    }
    return 0;
}

/* An operand is there, of the kind its place demands, and has a value by now. */
static int check_operand(const struct op_check *c, const struct op_rule *rule, int i,
                         uint8_t *seen) {
    int32_t index = c->op->inputs[i];
    unsigned bit = i < 16 ? BIT(i) : 0;
    if (index == GRAPH_NONE)
        return rule->optional & bit ? 0 : check_invalid(c, "operand %d is missing", i);
    if (index < 0 || (uint32_t)index >= c->graph->n_tensors)
        return check_invalid(c, "operand %d is tensor %d, which does not exist", i, index);
    const struct tensor *t = &c->graph->tensors[index];
    enum tensor_kind kind = t->kind;
    bool grouped_or_packed = t->dtype == DTYPE_INT4 || t->quant.group != 0;
    if (grouped_or_packed && !(i == 1 && rule->weights))
        return check_unsupported(c, "operand %d is %s", i,
                                 t->dtype == DTYPE_INT4 ? "INT4" : "quantized in groups");
    if ((kind == TENSOR_STATE) != !!(rule->state & bit))
        return check_invalid(
            c, kind == TENSOR_STATE ? "operand %d is a state" : "operand %d is not a state", i);
    if (kind != TENSOR_CONST && rule->constant & bit)
        return check_unsupported(c, "operand %d is not constant", i);
    if (kind == TENSOR_ACTIVATION && !(seen[index] & SEEN_DEFINED))
        return check_invalid(c, "operand %d (tensor %d) has no value yet", i, index);
    return 0;
}

static int check_result(const struct op_check *c, int i, uint8_t *seen) {
    int32_t index = c->op->outputs[i];
    if (index < 0 || (uint32_t)index >= c->graph->n_tensors)
        return check_invalid(c, "result %d is tensor %d, which does not exist", i, index);
    if (c->graph->tensors[index].kind != TENSOR_ACTIVATION || seen[index] & SEEN_DEFINED)
        return check_invalid(c, "result %d (tensor %d) already has a value", i, index);
    seen[index] |= SEEN_DEFINED | SEEN_COMPUTED;
    return 0;
}

/* The state of a recurrent operator is its own. */
static int check_state_use(const struct op_check *c, const struct op_rule *rule, uint8_t *seen) {
    bool shared = c->op->kind == OP_READ_STATE || c->op->kind == OP_WRITE_STATE;
    for (int i = 0; i < c->op->n_inputs && i < 16; i++) {
        if (!(rule->state & BIT(i)))
            continue;
        uint8_t *s = &seen[c->op->inputs[i]];
        if (*s & SEEN_OWNED || (!shared && *s))
            return check_invalid(c, "operand %d is the state of another operator too", i);
        *s |= shared ? SEEN_SHARED : SEEN_OWNED;
    }
    return 0;
}

static int check_op(const struct op_check *c, uint8_t *seen) {
    const struct op *op = c->op;
    const struct op_rule *rule = &rules[op->kind];
    if (op->n_inputs < rule->min_in || op->n_inputs > rule->max_in ||
        op->n_outputs < rule->min_out || op->n_outputs > rule->max_out)
        return check_invalid(c, "%u operands and %u results", op->n_inputs, op->n_outputs);
    if ((unsigned)op->act > ACT_TANH || !(rule->acts & BIT(op->act)))
        return check_unsupported(c, "fused activation %d", op->act);
    for (int i = 0; i < op->n_inputs; i++) {
        int r = check_operand(c, rule, i, seen);
        if (r)
            return r;
    }
    for (int i = 0; i < op->n_outputs; i++) {
        int r = check_result(c, i, seen);
        if (r)
            return r;
    }
    int r = check_state_use(c, rule, seen);
    return r ? r : rule->check(c);
}

/* Positions of pooling windows count like multiplications. */
static uint64_t op_work(const struct graph *graph, const struct op *op) {
    if (op->kind == OP_MFCC) {
        const struct op_mfcc *m = &op->mfcc;
        uint64_t frames = (uint64_t)graph->tensors[op->outputs[0]].dims[1];
        uint64_t bits = 32U - (unsigned)__builtin_clz((unsigned)m->fft);
        uint64_t bins = (uint64_t)(m->last_bin - m->first_bin + 1);
        return frames *
               ((uint64_t)m->fft * bits + (uint64_t)m->bands * (bins + (uint64_t)m->coefficients));
    }
    if (op->kind != OP_AVERAGE_POOL_2D && op->kind != OP_MAX_POOL_2D)
        return graph_op_macs(graph, op);
    const struct tensor *x = &graph->tensors[op->inputs[0]];
    uint64_t window =
        (uint64_t)MIN(op->pool.kernel_h, x->dims[1]) * (uint64_t)MIN(op->pool.kernel_w, x->dims[2]);
    return window * tensor_elements(&graph->tensors[op->outputs[0]]);
}

uint64_t graph_work(const struct graph *graph) {
    uint64_t work = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        work += op_work(graph, op);
        for (unsigned k = 0; k < op->n_outputs; k++)
            work += tensor_elements(&graph->tensors[op->outputs[k]]);
    }
    return work;
}

static int check_ops(const struct graph *graph, uint8_t *seen, struct diag *diag) {
    uint64_t work = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        const char *name = op_kind_name(op->kind);
        if (!name)
            return diag_set(diag, MODEL_E_INVALID, "operator %u: no kind %d", i, op->kind);
        struct op_check c = {.graph = graph, .op = op, .diag = diag};
        int r = check_op(&c, seen);
        if (r)
            return diag_prefix(diag, r, "operator %u (%s)", i, name);
        uint64_t own = op_work(graph, op);
        if (own > MAX_OP_MACS)
            return diag_set(diag, MODEL_E_UNSUPPORTED,
                            "operator %u (%s): it needs more than 2^33 multiplications", i, name);
        work += own;
        if (work > MAX_MACS)
            return diag_set(diag, MODEL_E_UNSUPPORTED,
                            "operator %u (%s): the network needs more than 2^40 multiplications", i,
                            name);
    }
    return 0;
}

static int check_ports(const struct graph *graph, const int32_t *ports, uint32_t n,
                       const char *what, struct diag *diag) {
    if (n < 1 || n > GRAPH_MAX_IO)
        return diag_set(diag, MODEL_E_INVALID, "%u %ss", n, what);
    for (uint32_t i = 0; i < n; i++) {
        if (ports[i] < 0 || (uint32_t)ports[i] >= graph->n_tensors)
            return diag_set(diag, MODEL_E_INVALID, "%s %u is tensor %d, which does not exist", what,
                            i, ports[i]);
        const struct tensor *t = &graph->tensors[ports[i]];
        if (t->kind != TENSOR_ACTIVATION)
            return diag_set(diag, MODEL_E_INVALID, "%s %u is a constant or a state", what, i);
        if (!t->name || !*t->name)
            return diag_set(diag, MODEL_E_INVALID, "%s %u has no name", what, i);
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(t->name, graph->tensors[ports[j]].name) == 0)
                return diag_set(diag, MODEL_E_INVALID, "two %ss are called '%s'", what, t->name);
    }
    return 0;
}

static int check_metadata(const struct graph *graph, struct diag *diag) {
    const struct {
        const char *what, *text;
        size_t max;
    } texts[] = {
        {"name", graph->name, GRAPH_MAX_NAME},          {"version", graph->version, GRAPH_MAX_NAME},
        {"description", graph->description, MAX_TEXT},  {"licence", graph->licence, MAX_TEXT},
        {"history", graph->history, GRAPH_MAX_HISTORY},
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (!text_ok(texts[i].text, texts[i].max))
            return diag_set(diag, MODEL_E_INVALID,
                            "the network's %s is longer than %zu bytes or not UTF-8", texts[i].what,
                            texts[i].max);
    if (graph->n_labels > GRAPH_MAX_LABELS)
        return diag_set(diag, MODEL_E_INVALID, "%u labels", graph->n_labels);
    for (uint32_t i = 0; i < graph->n_labels; i++)
        if (!text_ok(graph->labels[i], GRAPH_MAX_NAME))
            return diag_set(diag, MODEL_E_INVALID, "label %u is too long or not UTF-8", i);
    return 0;
}

static int check_graph(const struct graph *graph, uint8_t *seen, struct diag *diag) {
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        seen[graph->inputs[i]] |= SEEN_DEFINED;
    int r = check_ops(graph, seen, diag);
    if (r)
        return r;
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        if (!(seen[graph->outputs[i]] & SEEN_COMPUTED))
            return diag_set(diag, MODEL_E_INVALID, "output %u is not computed", i);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i].kind == TENSOR_ACTIVATION && !(seen[i] & SEEN_DEFINED))
            return diag_set(diag, MODEL_E_INVALID, "tensor %u is not computed", i);
    return 0;
}

int graph_check(const struct graph *graph, struct diag *diag) {
    if (graph->n_tensors > GRAPH_MAX_TENSORS || graph->n_ops > GRAPH_MAX_OPS)
        return diag_set(diag, MODEL_E_UNSUPPORTED, "%u tensors and %u operators", graph->n_tensors,
                        graph->n_ops);
    int r = check_metadata(graph, diag);
    if (r == 0)
        r = check_tensors(graph, diag);
    if (r == 0)
        r = check_ports(graph, graph->inputs, graph->n_inputs, "input", diag);
    if (r == 0)
        r = check_ports(graph, graph->outputs, graph->n_outputs, "output", diag);
    if (r)
        return r;
    uint8_t *seen = calloc(graph->n_tensors, 1);
    if (!seen)
        return diag_set(diag, err_origin(-ENOMEM), "no memory");
    r = check_graph(graph, seen, diag);
    free(seen);
    return r;
}
