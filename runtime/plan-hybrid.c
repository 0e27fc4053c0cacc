/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer weights under float activations. Convolutions and matrix products quantize their input while they run; depthwise
 * convolutions have few weights, which are made float here.
 */

#include <errno.h>

#include "base/error.h"
#include "runtime/plan.h"

/* [kernel_h][kernel_w][out_c] as real values. */
static int widen_depthwise(struct plan *plan, const struct tensor *w,
                           struct kern_conv_weights *weights) {
    size_t n = tensor_elements(w), channels = (size_t)w->dims[3];
    const int8_t *q = w->data;
    float *values = plan_alloc(plan, n, sizeof(*values));
    if (!values)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        values[i] = w->quant.scales[w->quant.n_scales > 1 ? i % channels : 0] * (float)q[i];
    weights->filter = values;
    plan_note(plan, "weights made float: they are few");
    return 0;
}

/* The scales of a channel's groups; one for all channels is repeated. */
static int copy_scales(struct plan *plan, const struct tensor *w, size_t out_c, size_t groups,
                       struct kern_conv_weights *weights) {
    float *scales = plan_alloc(plan, out_c * groups, sizeof(*scales));
    if (!scales)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < out_c * groups; i++)
        scales[i] = w->quant.scales[w->quant.n_scales > 1 ? i : 0];
    weights->scales = scales;
    return 0;
}

int plan_hybrid(struct plan *plan, struct kern_conv *p, struct kern_conv_weights *weights,
                const struct kern_conv_impl *const **list, enum step_fn *fn) {
    const struct tensor *w = plan_in(plan, 1);
    if (p->depthwise)
        return widen_depthwise(plan, w, weights);
    size_t out_c = (size_t)w->dims[0], depth = tensor_elements(w) / out_c;
    p->weight_bits = w->dtype == DTYPE_INT4 ? 4 : 8;
    p->scale_group = (int32_t)(w->quant.group ? w->quant.group : depth);
    p->scale_pixels = plan_op(plan)->kind == OP_FULLY_CONNECTED;
    *list = plan->kernels->conv_hybrid;
    *fn = STEP_CONV_HYBRID;
    return copy_scales(plan, w, out_c, depth / (size_t)p->scale_group, weights);
}
