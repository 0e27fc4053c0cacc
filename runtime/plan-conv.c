/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED: one kernel family. A PAD before and a RELU after are taken over; weights
 * are packed for the implementation that was chosen.
 */

#include <errno.h>

#include "base/error.h"
#include "kernels/fixedpoint.h"
#include "kernels/sparse.h"
#include "runtime/plan.h"

/* Real multipliers of int8 results, per output channel (tflite-int8 reference, CONV_2D and FULLY_CONNECTED). */
static int quantize_multipliers(struct plan *plan, const struct tensor *x, const struct tensor *w,
                                const struct tensor *y, int32_t out_c,
                                struct kern_conv_weights *weights) {
    int32_t *mult = plan_alloc(plan, (size_t)out_c, sizeof(*mult));
    int32_t *shift = plan_alloc(plan, (size_t)out_c, sizeof(*shift));
    if (!mult || !shift)
        return err_origin(-ENOMEM);
    bool per_channel = w->quant.n_scales > 1;
    double s_x = tensor_scale(x), s_y = tensor_scale(y);
    for (int32_t c = 0; c < out_c; c++) {
        double m = s_x * (double)w->quant.scales[per_channel ? c : 0] / s_y;
        /* A dense layer with one scale: the reference rounds the product of the scales to float first. */
        if (!per_channel && plan_op(plan)->kind == OP_FULLY_CONNECTED)
            m = (double)(tensor_scale(x) * w->quant.scales[0]) / s_y;
        fixedpoint_quantize(m, &mult[c], &shift[c]);
    }
    weights->mult = mult;
    weights->shift = shift;
    return 0;
}

/* A PAD that is taken over changes what the input is. */
static uint32_t input_of(const struct plan *plan, struct kern_conv *p,
                         const struct op_pad **ret_pad) {
    uint32_t input;
    const struct op_pad *pad = plan_taken_pad(plan, &input);
    if (pad) {
        p->pad_top += pad->before[1];
        p->pad_left += pad->before[2];
        p->in_h -= pad->before[1] + pad->after[1];
        p->in_w -= pad->before[2] + pad->after[2];
    }
    *ret_pad = pad;
    return input;
}

/* Everything but the geometry, which the callers have put into `p`. */
static int plan_matrix(struct plan *plan, struct kern_conv *p) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *w = plan_in(plan, 1), *y = plan_out(plan, 0);
    const struct tensor *bias =
        op->n_inputs > 2 && op->inputs[2] != GRAPH_NONE ? plan_in(plan, 2) : NULL;
    if (w->kind != TENSOR_CONST || (bias && bias->kind != TENSOR_CONST))
        return plan_unsupported(plan, "weights that are computed, not constant");

    struct clamp clamp = plan_clamp(op->act, y);
    const char *relu = NULL;
    uint32_t out = plan_fuse_relu(plan, (uint32_t)op->outputs[0], &clamp, &relu);
    struct kern_conv_weights weights = {.filter = w->data, .bias = bias ? bias->data : NULL};
    const struct kern_conv_impl *const *list;
    enum step_fn fn;
    if (x->dtype == DTYPE_INT8) {
        p->in_zero = x->quant.zero_point;
        p->weight_zero = w->quant.zero_point;
        p->out_zero = y->quant.zero_point;
        p->out_min = clamp.lo;
        p->out_max = clamp.hi;
        int r = quantize_multipliers(plan, x, w, y, p->out_c, &weights);
        if (r)
            return r;
        list = plan->kernels->conv_s8;
        fn = STEP_CONV_S8;
    } else {
        p->out_min_f = clamp.lo_f;
        p->out_max_f = clamp.hi_f;
        list = plan->kernels->conv_f32;
        fn = STEP_CONV_F32;
        int r = w->dtype == DTYPE_FP32 ? 0 : plan_hybrid(plan, p, &weights, &list, &fn);
        if (r)
            return r;
    }
    const struct op_pad *pad;
    uint32_t in = input_of(plan, p, &pad);
    struct kern_conv *kept = plan_alloc(plan, 1, sizeof(*kept));
    if (!kept)
        return err_origin(-ENOMEM);
    *kept = *p;
    if (fn !=
        STEP_CONV_HYBRID) /* has no sparse kernels, and its filter no element of whole bytes */
        sparse_look(kept, weights.filter, x->dtype != DTYPE_INT8, plan->kernels->tier);

    unsigned variant = kern_conv_choose(list, kept);
    plan_note_choice(plan, list, kept, variant);
    uint32_t packed, scratch;
    int r = plan_packed(plan, list[variant], kept, &weights, &packed);
    if (r == 0)
        r = plan_scratch(plan, list[variant]->scratch_size(kept), &scratch);
    if (r)
        return r;
    return plan_step(plan, &(struct step_args){.fn = fn,
                                               .variant = variant,
                                               .params = kept,
                                               .params_size = sizeof(*kept),
                                               .inputs = {in, packed},
                                               .n_inputs = 2,
                                               .outputs = {out, scratch},
                                               .n_outputs = 2,
                                               .fused = plan_fused_names(plan, pad, relu),
                                               .weight_bytes = plan->values[packed].size});
}

static struct kern_conv geometry(const struct plan *plan) {
    const struct op_conv *c = &plan_op(plan)->conv;
    const struct tensor *x = plan_in(plan, 0), *w = plan_in(plan, 1), *y = plan_out(plan, 0);
    return (struct kern_conv){
        .in_h = x->dims[1],
        .in_w = x->dims[2],
        .in_c = x->dims[3],
        .out_h = y->dims[1],
        .out_w = y->dims[2],
        .out_c = y->dims[3],
        .kernel_h = w->dims[1],
        .kernel_w = w->dims[2],
        .stride_h = c->stride_h,
        .stride_w = c->stride_w,
        .dilation_h = c->dilation_h,
        .dilation_w = c->dilation_w,
        .pad_top = c->pad_top,
        .pad_left = c->pad_left,
    };
}

int plan_conv_2d(struct plan *plan) {
    struct kern_conv p = geometry(plan);
    p.group_in_c = plan_in(plan, 1)->dims[3];
    return plan_matrix(plan, &p);
}

int plan_depthwise_conv_2d(struct plan *plan) {
    struct kern_conv p = geometry(plan);
    p.group_in_c = 1;
    p.depthwise = true;
    return plan_matrix(plan, &p);
}

int plan_fully_connected(struct plan *plan) {
    const struct tensor *w = plan_in(plan, 1);
    int32_t rows = (int32_t)(tensor_elements(plan_in(plan, 0)) / (size_t)w->dims[1]);
    struct kern_conv p = kern_conv_product(rows, w->dims[1], w->dims[0]);
    return plan_matrix(plan, &p);
}
