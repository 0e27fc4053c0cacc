/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer weights under float activations. Convolutions and matrix products quantize their input while they run; where
 * that, and laying windows out, costs more than it saves, the weights are widened here.
 */

#include <errno.h>

#include "base/error.h"
#include "runtime/plan.h"

/* Reading few bits pays for a matrix by a few vectors, or where there is much to read or to multiply at each position.
 * So few weights for so many positions are neither, at any tier (docs/kernels.md has the measurement). */
#define WIDE_MIN_POSITIONS 8
#define WIDE_MAX_WEIGHTS 4095

static int8_t weight(const struct tensor *w, size_t i) {
    const int8_t *q = w->data;
    if (w->dtype != DTYPE_INT4)
        return q[i];
    const int v = (q[i / 2] >> (i % 2 ? 4 : 0)) & 15;
    return (int8_t)(v - (v & 8) * 2);
}

/* As real values, in the graph's layout. `channels` have scales in turn; where it is 0, `group` neighbours share one. */
static int widen_to_float(struct plan *plan, const struct tensor *w, size_t channels, size_t group,
                          struct kern_conv_weights *weights) {
    const size_t n = tensor_elements(w);
    float *values = plan_alloc(plan, n, sizeof(*values));
    if (!values)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++) {
        const size_t scale = channels ? i % channels : i / group;
        values[i] = w->quant.scales[w->quant.n_scales > 1 ? scale : 0] * (float)weight(w, i);
    }
    weights->filter = values;
    return 0;
}

/* 4 bits as 8: the same sums. */
static int widen_to_bytes(struct plan *plan, const struct tensor *w,
                          struct kern_conv_weights *weights) {
    const size_t n = tensor_elements(w);
    int8_t *values = plan_alloc(plan, n, 1);
    if (!values)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        values[i] = weight(w, i);
    weights->filter = values;
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
    if (p->depthwise) {
        plan_note(plan, "weights made float: they are few");
        return widen_to_float(plan, w, (size_t)w->dims[3], 0, weights);
    }
    const size_t out_c = (size_t)w->dims[0], depth = tensor_elements(w) / out_c;
    const size_t group = w->quant.group ? w->quant.group : depth;
    const size_t positions = (size_t)p->out_h * (size_t)p->out_w;
    const bool many = positions >= WIDE_MIN_POSITIONS;
    const bool wide = many && out_c * depth <= WIDE_MAX_WEIGHTS;
    if (many && p->group_in_c != p->in_c) {
        plan_note(plan, "weights made float: channels in groups");
        return widen_to_float(plan, w, 0, group, weights);
    }
    if (wide && group != depth) {
        plan_note(plan, "weights made float: they are few for %zu positions", positions);
        return widen_to_float(plan, w, 0, group, weights);
    }
    p->weight_bits = w->dtype == DTYPE_INT4 && !wide ? 4 : 8;
    p->scale_group = (int32_t)group;
    p->scale_pixels = plan_op(plan)->kind == OP_FULLY_CONNECTED;
    *list = plan->kernels->conv_hybrid;
    *fn = STEP_CONV_HYBRID;
    int r = 0;
    if (w->dtype == DTYPE_INT4 && wide) {
        plan_note(plan, "weights made int8: they are few for %zu positions", positions);
        r = widen_to_bytes(plan, w, weights);
    }
    return r ? r : copy_scales(plan, w, out_c, depth / group, weights);
}
