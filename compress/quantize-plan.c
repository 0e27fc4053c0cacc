/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which operators and tensors become int8, and their scales.
 */

#include "compress/quantize-plan.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/layer.h"
#include "compress/quantize.h"
#include "model/graph-edit.h"
#include "model/graph.h"

#define MIN_SCALE 1e-10F /* far above where multipliers lose bits */

/* What is known of a tensor: FORM_ANY may become either, as those that read it want. */
enum form { FORM_OTHER, FORM_FLOAT, FORM_ANY, FORM_INT8 };

/* ---- fused activations ---- */

static bool is_output(const struct graph *graph, int32_t tensor) {
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == tensor)
            return true;
    return false;
}

/* The only operator that reads the tensor; n_ops where there are several, or none. */
static uint32_t only_reader(const struct graph *graph, int32_t tensor) {
    uint32_t reader = graph->n_ops, n = 0;
    for (uint32_t i = 0; i < graph->n_ops; i++)
        for (unsigned k = 0; k < graph->ops[i].n_inputs; k++)
            if (graph->ops[i].inputs[k] == tensor) {
                reader = i;
                n++;
            }
    return n == 1 && !is_output(graph, tensor) ? reader : graph->n_ops;
}

static bool can_fuse(enum op_kind kind) {
    return kind == OP_CONV_2D || kind == OP_DEPTHWISE_CONV_2D || kind == OP_FULLY_CONNECTED ||
           kind == OP_ADD || kind == OP_SUB || kind == OP_MUL;
}

static enum activation as_activation(enum op_kind kind) {
    return kind == OP_RELU           ? ACT_RELU
           : kind == OP_RELU6        ? ACT_RELU6
           : kind == OP_RELU_N1_TO_1 ? ACT_RELU_N1_TO_1
                                     : ACT_NONE;
}

int quantize_fuse_activations(struct graph *graph) {
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];
        if (!can_fuse(op->kind) || op->act != ACT_NONE ||
            graph->tensors[op->outputs[0]].dtype != DTYPE_FP32)
            continue;
        uint32_t reader = only_reader(graph, op->outputs[0]);
        if (reader == graph->n_ops || as_activation(graph->ops[reader].kind) == ACT_NONE)
            continue;
        op->act = as_activation(graph->ops[reader].kind);
        op->outputs = graph->ops[reader].outputs;
        int r = graph_splice(graph, reader, 1, NULL, 0);
        if (r)
            return r < 0 ? r : err_fold(r);
    }
    return 0;
}

/* ---- which operators ---- */

/* Operators without weights that have int8 kernels for these operands. */
static bool has_int8_form(const struct graph *graph, const struct op *op) {
    switch (op->kind) {
    case OP_AVERAGE_POOL_2D:
    case OP_MAX_POOL_2D:
    case OP_MEAN:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_MAXIMUM:
    case OP_MINIMUM:
    case OP_PAD:
    case OP_CONCATENATION:
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_STRIDED_SLICE:
    case OP_SPLIT:
    case OP_SOFTMAX:
    case OP_LOGISTIC:
    case OP_TANH:
    case OP_RELU:
    case OP_RELU6:
    case OP_RELU_N1_TO_1:
        break;
    case OP_LEAKY_RELU:
        if (op->leaky.alpha < 0)
            return false;
        break;
    default:
        return false;
    }
    return graph->tensors[op->inputs[0]].dtype == DTYPE_FP32 &&
           graph->tensors[op->outputs[0]].dtype == DTYPE_FP32;
}

/* Copies of the input that someone prepared: what a front end hands over. */
static bool is_front_end(const struct op *op) {
    return op->kind == OP_MFCC || op->kind == OP_DEQUANTIZE;
}

/* The form of what an operator without weights computes, from those of its operands. */
static enum form follow(const struct graph *graph, const struct op *op, const uint8_t *forms) {
    enum form form = FORM_ANY;
    if (!has_int8_form(graph, op))
        return is_front_end(op) ? FORM_ANY : FORM_FLOAT;
    for (unsigned k = 0; k < op->n_inputs; k++) {
        if (graph->tensors[op->inputs[k]].kind == TENSOR_CONST)
            continue;
        enum form x = forms[op->inputs[k]];
        if (x == FORM_FLOAT || x == FORM_OTHER)
            return FORM_FLOAT;
        if (x == FORM_INT8)
            form = FORM_INT8;
    }
    return form;
}

/* Probabilities for callers who take floats: computing them in float costs little, and 1/256 is a coarse scale. */
static bool is_final_probability(const struct graph *graph, const struct op *op) {
    struct affine fixed;
    return quantize_fixed_scale(op, &fixed) && is_output(graph, op->outputs[0]);
}

/* From the inputs to the outputs: int8 behind the layers of the scope, FORM_ANY before the first. */
static void find_forms(const struct quantize_plan *plan, const struct graph *graph, bool io_int8,
                       uint8_t *forms) {
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        if (graph->tensors[graph->inputs[i]].dtype == DTYPE_FP32)
            forms[graph->inputs[i]] = FORM_ANY;
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        enum form form = plan->is_layer[i] ? FORM_INT8 : follow(graph, op, forms);
        if (!io_int8 && is_final_probability(graph, op))
            form = FORM_FLOAT;
        for (unsigned k = 0; k < op->n_outputs; k++)
            if (graph->tensors[op->outputs[k]].dtype == DTYPE_FP32)
                forms[op->outputs[k]] = (uint8_t)form;
    }
}

/* From the outputs to the inputs: what may be either is int8 where an operator wants it so. */
static void choose_ops(struct quantize_plan *plan, const struct graph *graph,
                       const uint8_t *forms) {
    for (uint32_t i = graph->n_ops; i-- > 0;) {
        const struct op *op = &graph->ops[i];
        bool int8 = plan->is_layer[i];
        for (unsigned k = 0; k < op->n_outputs && has_int8_form(graph, op); k++)
            int8 |= forms[op->outputs[k]] == FORM_INT8 ||
                    (forms[op->outputs[k]] == FORM_ANY && plan->tensors[op->outputs[k]]);
        plan->ops[i] = int8;
        if (!int8)
            continue;
        for (unsigned k = 0; k < op->n_outputs; k++)
            plan->tensors[op->outputs[k]] = true;
        unsigned n_inputs = plan->is_layer[i] ? 1 : op->n_inputs;
        for (unsigned k = 0; k < n_inputs; k++)
            plan->tensors[op->inputs[k]] = true;
    }
}

static int plan_alloc(struct quantize_plan *plan, struct graph *graph) {
    uint32_t ops = graph->n_ops, tensors = graph->n_tensors;
    plan->ops = graph_alloc(graph, ops * sizeof(*plan->ops));
    plan->is_layer = graph_alloc(graph, ops * sizeof(*plan->is_layer));
    plan->tensors = graph_alloc(graph, tensors * sizeof(*plan->tensors));
    plan->groups = graph_alloc(graph, tensors * sizeof(*plan->groups));
    plan->ranges = graph_alloc(graph, tensors * sizeof(*plan->ranges));
    plan->affine = graph_alloc(graph, tensors * sizeof(*plan->affine));
    return plan->ops && plan->is_layer && plan->tensors && plan->groups && plan->ranges &&
                   plan->affine
               ? 0
               : err_origin(-ENOMEM);
}

/* An operator without weights gets its constants for itself: others may need other scales, or floats. */
static int own_constants(struct graph *graph) {
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];
        if (!has_int8_form(graph, op))
            continue;
        int32_t *inputs = graph_alloc(graph, op->n_inputs * sizeof(*inputs));
        if (!inputs)
            return err_origin(-ENOMEM);
        memcpy(inputs, op->inputs, op->n_inputs * sizeof(*inputs));
        for (unsigned k = 0; k < op->n_inputs; k++) {
            struct tensor t = graph->tensors[inputs[k]];
            int r = t.kind == TENSOR_CONST ? graph_add_tensor(graph, &t, &inputs[k]) : 0;
            if (r)
                return r < 0 ? r : COMPRESS_E_INVALID;
        }
        op->inputs = inputs;
    }
    return 0;
}

/* ---- equal scales ---- */

static int32_t group_of(const struct quantize_plan *plan, int32_t tensor) {
    while (plan->groups[tensor] != tensor)
        tensor = plan->groups[tensor];
    return tensor;
}

static bool keeps_scale(enum op_kind kind) {
    switch (kind) {
    case OP_AVERAGE_POOL_2D:
    case OP_MAX_POOL_2D:
    case OP_MAXIMUM:
    case OP_MINIMUM:
    case OP_PAD:
    case OP_CONCATENATION:
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_STRIDED_SLICE:
    case OP_SPLIT:
    case OP_RELU6:
    case OP_RELU_N1_TO_1:
        return true;
    default:
        return false;
    }
}

static void join(struct quantize_plan *plan, int32_t a, int32_t b) {
    int32_t x = group_of(plan, a), y = group_of(plan, b);
    plan->groups[MAX(x, y)] = MIN(x, y);
}

static void find_groups(struct quantize_plan *plan, const struct graph *graph) {
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        plan->groups[i] = (int32_t)i;
    for (uint32_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];
        if (!plan->ops[i] || !keeps_scale(op->kind))
            continue;
        for (unsigned k = 0; k < op->n_inputs; k++)
            join(plan, op->inputs[k], op->outputs[0]);
        for (unsigned k = 1; k < op->n_outputs; k++)
            join(plan, op->outputs[k], op->outputs[0]);
    }
}

int quantize_plan_init(struct quantize_plan *plan, struct graph *graph, const struct layers *layers,
                       bool io_int8) {
    int r = own_constants(graph);
    if (r == 0)
        r = plan_alloc(plan, graph);
    uint8_t *forms = graph_alloc(graph, graph->n_tensors);
    if (r || !forms)
        return r ? r : err_origin(-ENOMEM);
    for (uint32_t i = 0; i < layers->n; i++)
        plan->is_layer[layers->items[i].op] = true;
    find_forms(plan, graph, io_int8, forms);
    choose_ops(plan, graph, forms);
    find_groups(plan, graph);
    return 0;
}

/* ---- ranges and scales ---- */

bool quantize_fixed_scale(const struct op *op, struct affine *ret_affine) {
    switch (op->kind) {
    case OP_SOFTMAX:
    case OP_LOGISTIC:
        *ret_affine = (struct affine){0x1p-8F, INT8_MIN};
        return true;
    case OP_TANH:
        *ret_affine = (struct affine){0x1p-7F, 0};
        return true;
    default:
        return false;
    }
}

uint32_t quantize_plan_observed(const struct quantize_plan *plan, const struct graph *graph,
                                int32_t *ret_tensors) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (plan->tensors[i] && graph->tensors[i].kind == TENSOR_ACTIVATION)
            ret_tensors[n++] = (int32_t)i;
    return n;
}

/* Codes of a range: zero is one of them. */
static struct affine affine_of(struct range range) {
    float scale = (range.max - range.min) / 255;
    if (!(scale >= MIN_SCALE))
        return (struct affine){.scale = range.max - range.min > 0 ? MIN_SCALE : 1};
    float zero = roundf((float)INT8_MIN - range.min / scale);
    return (struct affine){scale, (int32_t)fminf(fmaxf(zero, INT8_MIN), INT8_MAX)};
}

static struct affine fixed_point(struct range range, uint32_t bits) {
    float largest = fmaxf(-range.min, range.max), codes = (float)((1 << (bits - 1)) - 1);
    if (!(largest / codes >= MIN_SCALE))
        return (struct affine){.scale = 1};
    return (struct affine){.scale = exp2f(ceilf(log2f(largest / codes)))};
}

static struct range range_of_constant(const struct tensor *t) {
    struct range range = {0};
    const float *values = t->data;
    for (size_t i = 0; i < tensor_elements(t); i++) {
        range.min = MIN(range.min, values[i]);
        range.max = MAX(range.max, values[i]);
    }
    return range;
}

/* The fixed scale serves the whole group where its values fit. */
static void apply_fixed(struct quantize_plan *plan, const struct op *op) {
    struct affine fixed;
    int32_t group = group_of(plan, op->outputs[0]);
    if (!quantize_fixed_scale(op, &fixed))
        return;
    struct range range = plan->ranges[group];
    if (range.min >= (op->kind == OP_TANH ? -1.0F : 0.0F) && range.max <= 1)
        plan->affine[group] = fixed;
}

void quantize_plan_scales(struct quantize_plan *plan, const struct graph *graph,
                          uint32_t fixed_bits) {
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        if (plan->tensors[i] && graph->tensors[i].kind == TENSOR_CONST)
            plan->ranges[i] = range_of_constant(&graph->tensors[i]);
        struct range *group = &plan->ranges[group_of(plan, (int32_t)i)];
        group->min = MIN(group->min, plan->ranges[i].min);
        group->max = MAX(group->max, plan->ranges[i].max);
    }
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        if (plan->tensors[i] && plan->groups[i] == (int32_t)i)
            plan->affine[i] =
                fixed_bits ? fixed_point(plan->ranges[i], fixed_bits) : affine_of(plan->ranges[i]);
    for (uint32_t i = 0; i < graph->n_ops; i++)
        if (plan->ops[i])
            apply_fixed(plan, &graph->ops[i]);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        plan->affine[i] = plan->affine[group_of(plan, (int32_t)i)];
}
