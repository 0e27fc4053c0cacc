/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graph to plan: walks the operators in order, lets each family's planner append steps, settles where outputs are
 * written, then places the values. The graph passed graph_check(); here only what this runtime cannot do is refused.
 */

#include "runtime/plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "runtime/place.h"

static plan_op_fn planner_of(enum op_kind kind) {
    switch (kind) {
    case OP_CONV_2D:
        return plan_conv_2d;
    case OP_DEPTHWISE_CONV_2D:
        return plan_depthwise_conv_2d;
    case OP_FULLY_CONNECTED:
        return plan_fully_connected;
    case OP_AVERAGE_POOL_2D:
    case OP_MAX_POOL_2D:
        return plan_pool;
    case OP_MEAN:
        return plan_mean;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_MAXIMUM:
    case OP_MINIMUM:
        return plan_binary;
    case OP_SOFTMAX:
        return plan_softmax;
    case OP_LOGISTIC:
    case OP_TANH:
    case OP_RELU:
    case OP_RELU6:
    case OP_RELU_N1_TO_1:
    case OP_LEAKY_RELU:
        return plan_unary;
    case OP_QUANTIZE:
    case OP_DEQUANTIZE:
        return plan_quantize;
    case OP_RESHAPE:
        return plan_reshape;
    case OP_PAD:
        return plan_pad;
    case OP_CONCATENATION:
        return plan_concatenation;
    case OP_TRANSPOSE:
        return plan_transpose;
    case OP_STRIDED_SLICE:
        return plan_strided_slice;
    case OP_SPLIT:
        return plan_split;
    case OP_READ_STATE:
        return plan_read_state;
    case OP_WRITE_STATE:
        return plan_write_state;
    case OP_LSTM:
        return plan_lstm;
    case OP_SVDF:
        return plan_svdf;
    case OP_MFCC:
        return plan_mfcc;
    case OP_KIND_END:
        break;
    }
    return NULL;
}

/* Makes room for one more element of `size` bytes in a plan's array. */
static int grow(void **array, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap)
        return 0;
    uint32_t want = *cap ? *cap * 2 : 64;
    void *p = realloc(*array, (size_t)want * size);
    if (!p)
        return err_origin(-ENOMEM);
    *array = p;
    *cap = want;
    return 0;
}

void *plan_alloc(struct plan *plan, size_t n, size_t size) {
    if (plan->n_allocations == plan->cap_allocations) {
        size_t cap = plan->cap_allocations ? plan->cap_allocations * 2 : 64;
        void **p = realloc(plan->allocations, cap * sizeof(*p));
        if (!p)
            return NULL;
        plan->allocations = p;
        plan->cap_allocations = cap;
    }
    void *memory = calloc(MAX(n, (size_t)1), size);
    if (memory)
        plan->allocations[plan->n_allocations++] = memory;
    return memory;
}

static int add_value(struct plan *plan, const struct value *value, uint32_t *ret_value) {
    int r = grow((void **)&plan->values, plan->n_values, &plan->cap_values, sizeof(*value));
    if (r)
        return r;
    plan->values[plan->n_values] = *value;
    *ret_value = plan->n_values++;
    return 0;
}

static int add_part(struct plan *plan, const struct part *part, uint32_t *ret_part) {
    int r = grow((void **)&plan->parts, plan->n_parts, &plan->cap_parts, sizeof(*part));
    if (r)
        return r;
    plan->parts[plan->n_parts] = *part;
    *ret_part = plan->n_parts++;
    return 0;
}

int plan_scratch(struct plan *plan, size_t size, uint32_t *ret_value) {
    struct value value = {
        .space = size ? SPACE_ARENA : SPACE_NONE,
        .alias = PLAN_NONE,
        .size = size,
        .first = plan->n_steps,
        .last = plan->n_steps,
    };
    return add_value(plan, &value, ret_value);
}

int plan_part(struct plan *plan, uint32_t of, uint64_t at, size_t size, uint32_t *ret_value) {
    uint32_t number;
    int r = add_value(plan, &(struct value){.alias = PLAN_NONE, .size = size}, &number);
    if (r)
        return r;
    plan_alias(plan, number, of, at);
    *ret_value = number;
    return 0;
}

static int add_image_value(struct plan *plan, const struct part *part, uint32_t *ret_value) {
    uint32_t number;
    int r = add_part(plan, part, &number);
    if (r)
        return r;
    struct value value = {
        .space = SPACE_IMAGE, .alias = PLAN_NONE, .size = part->size, .offset = number};
    return add_value(plan, &value, ret_value);
}

int plan_const(struct plan *plan, const void *bytes, size_t size, uint32_t *ret_value) {
    return add_image_value(plan, &(struct part){.size = size, .bytes = bytes}, ret_value);
}

int plan_packed(struct plan *plan, const struct kern_conv_impl *impl, const struct kern_conv *conv,
                const struct kern_conv_weights *weights, uint32_t *ret_value) {
    struct part part = {.size = kern_conv_packed_size(impl, conv, weights),
                        .pack = impl,
                        .conv = conv,
                        .weights = *weights};
    return add_image_value(plan, &part, ret_value);
}

/* A constant of the graph enters the image when a step first reads it as an operand. */
static int materialize(struct plan *plan, uint32_t number) {
    struct value *value = &plan->values[number];
    if (value->space != SPACE_IMAGE || value->placed || number >= plan->graph->n_tensors)
        return 0;
    struct part part = {.size = value->size, .bytes = plan->graph->tensors[number].data};
    uint32_t index;
    int r = add_part(plan, &part, &index);
    if (r)
        return r;
    value->offset = index;
    value->placed = true;
    return 0;
}

static int use(struct plan *plan, uint32_t number, bool write) {
    number = plan_root(plan, number, NULL);
    int r = materialize(plan, number);
    if (r)
        return r;
    struct value *value = &plan->values[number];
    if (write && value->first == PLAN_NONE)
        value->first = plan->n_steps;
    value->last = plan->n_steps;
    return 0;
}

int plan_step(struct plan *plan, const struct step_args *args) {
    edge_assert(args->n_inputs + args->n_outputs <= IMAGE_MAX_REFS);
    struct plan_step s = {
        .step = {.fn = args->fn,
                 .variant = args->variant,
                 .count = args->count,
                 .arg = {args->arg[0], args->arg[1]}},
        .n_inputs = args->n_inputs,
        .params = PLAN_NONE,
        .op = plan->op,
        .output = args->outputs[0] < plan->graph->n_tensors ? args->outputs[0]
                                                            : (uint32_t)plan_op(plan)->outputs[0],
        .fused = args->fused ? args->fused : "",
        .why = plan->notes,
        .weight_bytes = args->weight_bytes,
    };
    unsigned n = 0;
    for (unsigned i = 0; i < args->n_inputs + args->n_outputs; i++) {
        bool write = i >= args->n_inputs;
        uint32_t value = write ? args->outputs[i - args->n_inputs] : args->inputs[i];
        s.values[n++] = value;
        int r = value == PLAN_NONE ? 0 : use(plan, value, write);
        if (r)
            return r;
    }
    while (n < IMAGE_MAX_REFS)
        s.values[n++] = PLAN_NONE;
    if (args->params) {
        void *copy = plan_alloc(plan, 1, args->params_size);
        if (!copy)
            return err_origin(-ENOMEM);
        memcpy(copy, args->params, args->params_size);
        struct part part = {.size = args->params_size, .bytes = copy};
        int r = add_part(plan, &part, &s.params);
        if (r)
            return r;
    }
    int r = grow((void **)&plan->steps, plan->n_steps, &plan->cap_steps, sizeof(s));
    if (r)
        return r;
    plan->steps[plan->n_steps++] = s;
    plan->notes = NULL;
    return 0;
}

int plan_unsupported(struct plan *plan, const char *why) {
    return diag_set(plan->diag, MODEL_E_UNSUPPORTED, "operator %u (%s): %s",
                    plan->numbers[plan->op], op_kind_name(plan_op(plan)->kind), why);
}

/* ---- activations ---- */

/* rha(f32(v / scale)) + zero, as the reference quantizes a bound; far bounds saturate. */
static int32_t quantize_bound(float v, const struct tensor *y) {
    float q = roundf(v / tensor_scale(y)) + (float)y->quant.zero_point;
    return (int32_t)fmaxf(fminf(q, 1e6F), -1e6F);
}

struct clamp plan_clamp(enum activation act, const struct tensor *y) {
    struct clamp c = {-128, 127, -INFINITY, INFINITY};
    if (act == ACT_RELU || act == ACT_RELU6)
        c.lo_f = 0.0F;
    if (act == ACT_RELU6)
        c.hi_f = 6.0F;
    if (act == ACT_RELU_N1_TO_1) {
        c.lo_f = -1.0F;
        c.hi_f = 1.0F;
    }
    if (y->dtype == DTYPE_INT8 && y->quant.n_scales) {
        if (isfinite(c.lo_f))
            c.lo = MAX(c.lo, quantize_bound(c.lo_f, y));
        if (isfinite(c.hi_f))
            c.hi = MIN(c.hi, quantize_bound(c.hi_f, y));
    }
    return c;
}

static bool same_quant(const struct tensor *a, const struct tensor *b) {
    return tensor_scale(a) == tensor_scale(b) && a->quant.zero_point == b->quant.zero_point;
}

uint32_t plan_fuse_relu(struct plan *plan, uint32_t tensor, struct clamp *clamp,
                        const char **ret_fused) {
    uint32_t next = plan->consumer[tensor];
    if (next == PLAN_NONE)
        return tensor;
    const struct op *op = &plan->graph->ops[next];
    const struct tensor *x = &plan->graph->tensors[tensor];
    const struct tensor *y = &plan->graph->tensors[op->outputs[0]];
    enum activation act = op->kind == OP_RELU           ? ACT_RELU
                          : op->kind == OP_RELU6        ? ACT_RELU6
                          : op->kind == OP_RELU_N1_TO_1 ? ACT_RELU_N1_TO_1
                                                        : ACT_NONE;
    /* An int8 RELU between different scales is a rescale, not a clamp. */
    if (act == ACT_NONE || (x->dtype == DTYPE_INT8 && !same_quant(x, y)))
        return tensor;
    struct clamp c = plan_clamp(act, y);
    clamp->lo = MIN(MAX(clamp->lo, c.lo), c.hi);
    clamp->hi = MAX(MIN(clamp->hi, c.hi), c.lo);
    clamp->lo_f = fminf(fmaxf(clamp->lo_f, c.lo_f), c.hi_f);
    clamp->hi_f = fmaxf(fminf(clamp->hi_f, c.hi_f), c.lo_f);
    plan->done[next] = true;
    *ret_fused = op_kind_name(op->kind);
    return (uint32_t)op->outputs[0];
}

/* ---- making ---- */

static int add_tensors(struct plan *plan) {
    const struct graph *g = plan->graph;
    for (uint32_t t = 0; t < g->n_tensors; t++) {
        const struct tensor *tensor = &g->tensors[t];
        struct value value = {
            .alias = PLAN_NONE, .size = tensor->size, .first = PLAN_NONE, .space = SPACE_ARENA};
        if (tensor->kind == TENSOR_CONST) {
            value.space = SPACE_IMAGE;
        } else if (tensor->kind == TENSOR_STATE) {
            value.space = SPACE_STATE;
        }
        uint32_t number;
        int r = add_value(plan, &value, &number);
        if (r)
            return r;
    }
    for (uint32_t i = 0; i < g->n_inputs; i++) {
        struct value *value = &plan->values[g->inputs[i]];
        value->space = SPACE_INPUT;
        value->offset = i;
        value->placed = true;
    }
    return 0;
}

/* An output is written in place where a step computes it; what lives elsewhere, or is asked for twice, is copied. */
static int settle_outputs(struct plan *plan) {
    const struct graph *g = plan->graph;
    for (uint32_t i = 0; i < g->n_outputs; i++) {
        uint32_t tensor = (uint32_t)g->outputs[i];
        uint32_t root = plan_root(plan, tensor, NULL);
        if (plan->values[root].space == SPACE_ARENA &&
            plan->values[root].size == plan->values[tensor].size) {
            plan->values[root].space = SPACE_OUTPUT;
            plan->values[root].offset = i;
            plan->values[root].placed = true;
            continue;
        }
        struct value copy = {.space = SPACE_OUTPUT,
                             .alias = PLAN_NONE,
                             .size = plan->values[tensor].size,
                             .offset = i,
                             .placed = true,
                             .first = plan->n_steps};
        uint32_t number;
        int r = add_value(plan, &copy, &number);
        if (r)
            return r;
        plan->op = g->n_ops ? g->n_ops - 1 : 0;
        r = plan_step(plan, &(struct step_args){.fn = STEP_COPY,
                                                .inputs = {tensor},
                                                .n_inputs = 1,
                                                .outputs = {number},
                                                .n_outputs = 1,
                                                .count = copy.size});
        if (r)
            return r;
    }
    return 0;
}

int plan_make(struct plan *plan) {
    int r = add_tensors(plan);
    if (r)
        return r;
    if (plan->graph->n_ops == 0)
        return diag_set(plan->diag, MODEL_E_UNSUPPORTED, "the network has no operators");
    r = plan_look_ahead(plan);
    if (r)
        return r;
    for (uint32_t i = 0; i < plan->graph->n_ops; i++) {
        if (plan->done[i])
            continue;
        plan->op = i;
        r = planner_of(plan->graph->ops[i].kind)(plan);
        if (r)
            return r;
    }
    r = settle_outputs(plan);
    if (r)
        return r;
    plan_note_rest(plan);
    plan_share(plan);
    r = plan_place_states(plan);
    return r ? r : place_values(plan);
}

int plan_new(const struct graph *graph, const struct kernels *kernels, struct diag *diag,
             struct plan **ret_plan) {
    _cleanup_(plan_freep) struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return err_origin(-ENOMEM);
    plan->graph = graph;
    plan->kernels = kernels;
    plan->diag = diag;
    plan->done = calloc(graph->n_ops + 1, sizeof(*plan->done));
    plan->consumer = calloc(graph->n_tensors + 1, sizeof(*plan->consumer));
    plan->pad = calloc(graph->n_ops + 1, sizeof(*plan->pad));
    plan->last_reader = calloc(graph->n_tensors + 1, sizeof(*plan->last_reader));
    if (!plan->done || !plan->consumer || !plan->pad || !plan->last_reader)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < graph->n_ops; i++)
        plan->pad[i] = PLAN_NONE;
    *ret_plan = steal(&plan);
    return 0;
}

struct plan *plan_free(struct plan *plan) {
    if (!plan)
        return NULL;
    for (size_t i = 0; i < plan->n_allocations; i++)
        free(plan->allocations[i]);
    free(plan->allocations);
    free(plan->values);
    free(plan->steps);
    free(plan->parts);
    free(plan->done);
    free(plan->consumer);
    free(plan->last_reader);
    free(plan->pad);
    free(plan);
    return NULL;
}

void plan_freep(struct plan **plan) {
    *plan = plan_free(*plan);
}
