/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators that only move values: most become one strided copy, RESHAPE and many READ_VARIABLEs nothing at all.
 */

#include "base/error.h"
#include "runtime/plan.h"

/* Byte strides of a row-major tensor. */
static void row_major(const struct tensor *t, int64_t ret_stride[KERN_MAX_DIMS]) {
    int64_t stride = (int64_t)dtype_size(t->dtype);
    for (int d = t->n_dims - 1; d >= 0; d--) {
        ret_stride[d] = stride;
        stride *= t->dims[d];
    }
}

/* Drops dims of one, joins neighbours that both sides walk alike: what is left is the copy's real shape. */
static void merge_copy(struct kern_copy *p) {
    int32_t n = 0;
    for (int32_t d = 0; d < p->n_dims; d++) {
        if (p->count[d] == 1)
            continue;
        if (n > 0 && p->src_stride[n - 1] == p->src_stride[d] * p->count[d] &&
            p->dst_stride[n - 1] == p->dst_stride[d] * p->count[d]) {
            p->count[n - 1] *= p->count[d];
        } else {
            p->count[n++] = p->count[d];
        }
        p->src_stride[n - 1] = p->src_stride[d];
        p->dst_stride[n - 1] = p->dst_stride[d];
    }
    if (n == 0) {
        p->count[0] = 1;
        p->src_stride[0] = p->dst_stride[0] = p->elem_size;
        n = 1;
    }
    p->n_dims = n;
}

static void swap_axes(struct kern_copy *p, int32_t a, int32_t b) {
    struct kern_copy old = *p;
    p->count[a] = old.count[b];
    p->count[b] = old.count[a];
    p->src_stride[a] = old.src_stride[b];
    p->src_stride[b] = old.src_stride[a];
    p->dst_stride[a] = old.dst_stride[b];
    p->dst_stride[b] = old.dst_stride[a];
}

/* The order of a copy is free: innermost is what is contiguous on both sides, else the longest axis. */
static void order_copy(struct kern_copy *p) {
    int32_t best = p->n_dims - 1;
    for (int32_t d = 0; d < p->n_dims; d++) {
        if (p->src_stride[d] == p->elem_size && p->dst_stride[d] == p->elem_size) {
            best = d;
            break;
        }
        if (p->count[d] > p->count[best])
            best = d;
    }
    swap_axes(p, best, p->n_dims - 1);
}

static int plan_copy_nd(struct plan *plan, struct kern_copy *p, uint32_t x, uint32_t y) {
    merge_copy(p);
    order_copy(p);
    return plan_step(plan, &(struct step_args){.fn = STEP_COPY_ND,
                                               .params = p,
                                               .params_size = sizeof(*p),
                                               .inputs = {x},
                                               .n_inputs = 1,
                                               .outputs = {y},
                                               .n_outputs = 1});
}

static int plan_copy(struct plan *plan, uint32_t x, uint32_t y, size_t bytes) {
    return plan_step(plan, &(struct step_args){.fn = STEP_COPY,
                                               .inputs = {x},
                                               .n_inputs = 1,
                                               .outputs = {y},
                                               .n_outputs = 1,
                                               .count = bytes});
}

int plan_reshape(struct plan *plan) {
    const struct op *op = plan_op(plan);
    plan_alias(plan, (uint32_t)op->outputs[0], (uint32_t)op->inputs[0], 0);
    plan_note_free(plan);
    return 0;
}

/* Each window still meets the picture, as the rules of pools demand, when the padding is the pool's. */
static bool fits_windows(const struct op_pad *pad, const struct op_pool *pool) {
    return pool->pad_top + pad->before[1] < pool->kernel_h &&
           pool->pad_bottom + pad->after[1] < pool->kernel_h &&
           pool->pad_left + pad->before[2] < pool->kernel_w &&
           pool->pad_right + pad->after[2] < pool->kernel_w;
}

#define LOWEST_F32 ((int32_t)0xff800000) /* the bits of -INFINITY */

/* Whether the operator behind a PAD pads with the same value on its own: a convolution with what counts as zero, a
 * maximum with the lowest. */
static bool pads_alike(const struct op *next, const struct op_pad *pad, const struct tensor *x) {
    bool s8 = x->dtype == DTYPE_INT8;
    switch (next->kind) {
    case OP_CONV_2D:
    case OP_DEPTHWISE_CONV_2D:
        return pad->value == (s8 ? x->quant.zero_point : 0);
    case OP_MAX_POOL_2D:
        return pad->value == (s8 ? INT8_MIN : LOWEST_F32) && fits_windows(pad, &next->pool);
    default:
        return false;
    }
}

/* An operator can take over the padding of an NHWC picture before it. */
static bool fuse_pad(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct op_pad *pad = &op->pad;
    uint32_t next = plan->consumer[op->outputs[0]];
    /* A state may be overwritten before that operator comes to read it. */
    if (next == PLAN_NONE || plan_in(plan, 0)->n_dims != 4 ||
        plan_space(plan, (uint32_t)op->inputs[0]) == SPACE_STATE ||
        plan->graph->ops[next].inputs[0] != op->outputs[0])
        return false;
    if (pad->before[0] || pad->after[0] || pad->before[3] || pad->after[3] ||
        !pads_alike(&plan->graph->ops[next], pad, plan_out(plan, 0)))
        return false;
    plan->pad[next] = plan->op;
    return true;
}

const struct op_pad *plan_taken_pad(const struct plan *plan, uint32_t *ret_input) {
    uint32_t pad = plan->pad[plan->op];
    if (pad == PLAN_NONE) {
        *ret_input = (uint32_t)plan_op(plan)->inputs[0];
        return NULL;
    }
    *ret_input = (uint32_t)plan->graph->ops[pad].inputs[0];
    return &plan->graph->ops[pad].pad;
}

int plan_pad(struct plan *plan) {
    if (fuse_pad(plan))
        return 0;
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *y = plan_out(plan, 0);
    int32_t elem = (int32_t)dtype_size(y->dtype);
    uint32_t value;
    int r = plan_const(plan, &op->pad.value, sizeof(op->pad.value), &value);
    if (r)
        return r;
    r = plan_step(plan, &(struct step_args){.fn = STEP_FILL,
                                            .inputs = {value},
                                            .n_inputs = 1,
                                            .outputs = {(uint32_t)op->outputs[0]},
                                            .n_outputs = 1,
                                            .count = tensor_elements(y),
                                            .variant = (uint32_t)elem});
    if (r)
        return r;
    struct kern_copy p = {.n_dims = x->n_dims, .elem_size = elem};
    row_major(x, p.src_stride);
    row_major(y, p.dst_stride);
    for (int d = 0; d < x->n_dims; d++) {
        p.count[d] = x->dims[d];
        p.dst_offset += op->pad.before[d] * p.dst_stride[d];
    }
    return plan_copy_nd(plan, &p, (uint32_t)op->inputs[0], (uint32_t)op->outputs[0]);
}

/* ---- joining and cutting ---- */

/* Whether slices along `axis` of a tensor are contiguous. */
static bool is_outermost(const struct tensor *t, int32_t axis) {
    for (int32_t d = 0; d < axis; d++)
        if (t->dims[d] != 1)
            return false;
    return true;
}

/* Parts that follow each other: each is computed in its place where it can be, else copied there. A state at the
 * beginning stays where it is and the others come behind it. */
static int plan_join(struct plan *plan) {
    const struct op *op = plan_op(plan);
    uint32_t y = (uint32_t)op->outputs[0];
    uint64_t at = 0;
    unsigned k = 0, n_copies = 0;
    if (plan_append(plan, y, (uint32_t)op->inputs[0]))
        at = plan_in(plan, k++)->size;
    for (; k < op->n_inputs; k++) {
        uint32_t x = (uint32_t)op->inputs[k];
        size_t size = plan_in(plan, k)->size;
        if (!plan_absorb(plan, x, y, at)) {
            uint32_t slice;
            int r = plan_part(plan, y, at, size, &slice);
            if (r == 0)
                r = plan_copy(plan, x, slice, size);
            if (r)
                return r;
            n_copies++;
        }
        at += size;
    }
    if (n_copies == 0)
        plan_note_free(plan);
    return 0;
}

int plan_concatenation(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *y = plan_out(plan, 0);
    int32_t axis = op->axis.axis;
    int64_t offset = 0;
    if (is_outermost(y, axis))
        return plan_join(plan);
    for (unsigned k = 0; k < op->n_inputs; k++) {
        const struct tensor *x = plan_in(plan, k);
        struct kern_copy p = {.n_dims = y->n_dims, .elem_size = (int32_t)dtype_size(y->dtype)};
        row_major(x, p.src_stride);
        row_major(y, p.dst_stride);
        for (int d = 0; d < y->n_dims; d++)
            p.count[d] = x->dims[d];
        p.dst_offset = offset;
        offset += x->dims[axis] * p.dst_stride[axis];
        int r = plan_copy_nd(plan, &p, (uint32_t)op->inputs[k], (uint32_t)op->outputs[0]);
        if (r)
            return r;
    }
    return 0;
}

/* A small slice that lives long is not worth keeping a large value for. */
#define VIEW_MAX_WASTE 16384

/* Output k of an operator that cuts, as a view of its operand where that is one piece of it. False: it has to be copied. */
static bool plan_view(struct plan *plan, const struct kern_copy *p, unsigned k) {
    const struct op *op = plan_op(plan);
    uint32_t x = (uint32_t)op->inputs[0], y = (uint32_t)op->outputs[k];
    const struct value *root = &plan->values[plan_root(plan, x, NULL)];
    bool one_piece = p->n_dims == 1 && p->src_stride[0] == p->elem_size;
    if (!one_piece ||
        (root->space == SPACE_ARENA && root->size - plan->values[y].size > VIEW_MAX_WASTE))
        return false;
    plan_alias(plan, y, x, (uint64_t)p->src_offset);
    return true;
}

/* Output k from its operand. */
static int plan_cut(struct plan *plan, struct kern_copy *p, unsigned k) {
    const struct op *op = plan_op(plan);
    merge_copy(p);
    if (!plan_view(plan, p, k))
        return plan_copy_nd(plan, p, (uint32_t)op->inputs[0], (uint32_t)op->outputs[k]);
    plan_note_free(plan);
    return 0;
}

int plan_split(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0);
    int32_t axis = op->axis.axis;
    int64_t offset = 0;
    for (unsigned k = 0; k < op->n_outputs; k++) {
        const struct tensor *y = plan_out(plan, k);
        struct kern_copy p = {.n_dims = x->n_dims, .elem_size = (int32_t)dtype_size(x->dtype)};
        row_major(x, p.src_stride);
        row_major(y, p.dst_stride);
        for (int d = 0; d < x->n_dims; d++)
            p.count[d] = y->dims[d];
        p.src_offset = offset;
        offset += y->dims[axis] * p.src_stride[axis];
        int r = plan_cut(plan, &p, k);
        if (r)
            return r;
    }
    return 0;
}

int plan_transpose(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *y = plan_out(plan, 0);
    struct kern_copy p = {.n_dims = y->n_dims, .elem_size = (int32_t)dtype_size(y->dtype)};
    int64_t stride[KERN_MAX_DIMS];
    row_major(x, stride);
    row_major(y, p.dst_stride);
    for (int d = 0; d < y->n_dims; d++) {
        p.count[d] = y->dims[d];
        p.src_stride[d] = stride[op->transpose.perm[d]];
    }
    return plan_cut(plan, &p, 0);
}

int plan_strided_slice(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0);
    struct kern_copy p = {.n_dims = x->n_dims, .elem_size = (int32_t)dtype_size(x->dtype)};
    int64_t stride[KERN_MAX_DIMS], dst = p.elem_size;
    row_major(x, stride);
    for (int d = x->n_dims - 1; d >= 0; d--) {
        p.count[d] = op->slice.count[d];
        p.src_offset += op->slice.begin[d] * stride[d];
        p.src_stride[d] = op->slice.stride[d] * stride[d];
        p.dst_stride[d] = dst;
        dst *= op->slice.count[d];
    }
    return plan_cut(plan, &p, 0);
}

/* ---- state ---- */

int plan_read_state(struct plan *plan) {
    const struct op *op = plan_op(plan);
    uint32_t x = (uint32_t)op->inputs[0], y = (uint32_t)op->outputs[0];
    if (plan_overwritten(plan, x, plan->last_reader[y]))
        return plan_copy(plan, x, y, plan_out(plan, 0)->size);
    plan_alias(plan, y, x, 0);
    plan_note_free(plan);
    return 0;
}

int plan_write_state(struct plan *plan) {
    const struct op *op = plan_op(plan);
    return plan_copy(plan, (uint32_t)op->inputs[1], (uint32_t)op->inputs[0],
                     plan_in(plan, 0)->size);
}
