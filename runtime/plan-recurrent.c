/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNIDIRECTIONAL_SEQUENCE_LSTM and SVDF, which keep state of their own, and the MFCC front end.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "kernels/fixedpoint.h"
#include "runtime/plan.h"

/* All of a network's constants for one kernel operand, one after the other. Absent ones are zeros of `size` bytes. */
static int join(struct plan *plan, const int32_t *tensors, unsigned n, size_t size,
                uint32_t *ret_value) {
    char *bytes = plan_alloc(plan, n, size);
    if (!bytes)
        return err_origin(-ENOMEM);
    for (unsigned i = 0; i < n; i++) {
        if (tensors[i] == GRAPH_NONE)
            continue;
        const struct tensor *t = plan_tensor(plan, tensors[i]);
        if (t->kind != TENSOR_CONST || t->size != size)
            return plan_unsupported(plan, "weights that are computed, not constant");
        memcpy(bytes + i * size, t->data, size);
    }
    return plan_const(plan, bytes, n * size, ret_value);
}

/* Input weights, then recurrent ones, as struct kern_lstm wants them. */
static int join_lstm_weights(struct plan *plan, uint32_t *ret_value) {
    const int32_t *in = plan_op(plan)->inputs;
    size_t input = plan_in(plan, 1)->size, recurrent = plan_in(plan, 5)->size;
    char *bytes = plan_alloc(plan, 4, input + recurrent);
    if (!bytes)
        return err_origin(-ENOMEM);
    for (unsigned k = 1; k <= 8; k++) {
        const struct tensor *t = plan_tensor(plan, in[k]);
        size_t size = k <= 4 ? input : recurrent;
        if (t->kind != TENSOR_CONST || t->size != size)
            return plan_unsupported(plan, "weights that are computed, not constant");
        size_t at = k <= 4 ? (k - 1) * input : 4 * input + (k - 5) * recurrent;
        memcpy(bytes + at, t->data, size);
    }
    return plan_const(plan, bytes, 4 * (input + recurrent), ret_value);
}

/* The reference's integer LSTM: gates in Q3.12, cell state with a scale of a power of two. */
static void quantize_lstm(const struct plan *plan, struct kern_lstm *p) {
    const struct tensor *x = plan_in(plan, 0), *hidden = plan_in(plan, 13),
                        *cell = plan_in(plan, 14);
    float s_h = tensor_scale(hidden), s_c = tensor_scale(cell);
    const double gate_scale = ldexp(1.0, -12);
    for (unsigned g = 0; g < 4; g++) {
        float in = tensor_scale(x) * tensor_scale(plan_in(plan, 1 + g));
        float rec = s_h * tensor_scale(plan_in(plan, 5 + g));
        fixedpoint_quantize((double)in / gate_scale, &p->gate[g].in_mult, &p->gate[g].in_shift);
        fixedpoint_quantize((double)rec / gate_scale, &p->gate[g].rec_mult, &p->gate[g].rec_shift);
    }
    p->in_zero = x->quant.zero_point;
    p->hidden_zero = hidden->quant.zero_point;
    fixedpoint_quantize(ldexp(1.0, -15) * (double)s_c / (double)s_c, &p->forget_mult,
                        &p->forget_shift);
    fixedpoint_quantize(ldexp(1.0, -30) / (double)s_c, &p->update_mult, &p->update_shift);
    fixedpoint_quantize(ldexp(1.0, -30) / (double)s_h, &p->hidden_mult, &p->hidden_shift);
    float clip = plan_op(plan)->lstm.cell_clip;
    p->cell_clip = clip > 0.0F ? (int32_t)fminf(clip / s_c, 32767.0F) : -1;
    int n = 12 + (int)lround(log2((double)s_c));
    p->cell_tanh_mult = n >= 0 ? 0 : 3;
    p->cell_tanh_shift = n >= 0 ? n : -n;
}

int plan_lstm(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *w = plan_in(plan, 1);
    bool time_major = op->lstm.time_major, s8 = x->dtype == DTYPE_INT8;
    struct kern_lstm p = {
        .batch = x->dims[time_major ? 1 : 0],
        .time = x->dims[time_major ? 0 : 1],
        .in = x->dims[2],
        .cells = w->dims[0],
        .time_major = time_major,
        .cell_clip_f = op->lstm.cell_clip,
    };
    if (s8)
        quantize_lstm(plan, &p);
    uint32_t weights, bias, scratch;
    int r = join_lstm_weights(plan, &weights);
    if (r == 0)
        r = join(plan, op->inputs + 9, 4, (size_t)p.cells * 4, &bias);
    if (r == 0)
        r = plan_scratch(plan, kern_lstm_scratch_size(&p), &scratch);
    if (r)
        return r;
    return plan_step(plan, &(struct step_args){
                               .fn = s8 ? STEP_LSTM_S8 : STEP_LSTM_F32,
                               .params = &p,
                               .params_size = sizeof(p),
                               .inputs = {weights, bias, (uint32_t)op->inputs[0],
                                          (uint32_t)op->inputs[13], (uint32_t)op->inputs[14]},
                               .n_inputs = 5,
                               .outputs = {(uint32_t)op->outputs[0], scratch},
                               .n_outputs = 2,
                               .weight_bytes = plan->values[weights].size,
                           });
}

static void quantize_svdf(const struct plan *plan, struct kern_svdf *p) {
    const struct tensor *x = plan_in(plan, 0), *state = plan_in(plan, 4), *y = plan_out(plan, 0);
    float s_state = tensor_scale(state);
    float feature = tensor_scale(x) * tensor_scale(plan_in(plan, 1)) / s_state;
    float out = s_state * tensor_scale(plan_in(plan, 2)) / tensor_scale(y);
    fixedpoint_quantize((double)feature, &p->feature_mult, &p->feature_shift);
    fixedpoint_quantize((double)out, &p->out_mult, &p->out_shift);
    p->state_is_s16 = state->dtype == DTYPE_INT16;
    p->in_zero = x->quant.zero_point;
    p->state_zero = state->quant.zero_point;
    p->out_zero = y->quant.zero_point;
    /* The integer reference does not apply the fused activation. */
    p->out_min = -128;
    p->out_max = 127;
}

int plan_svdf(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct tensor *x = plan_in(plan, 0), *feature = plan_in(plan, 1);
    struct clamp clamp = plan_clamp(op->act, plan_out(plan, 0));
    bool s8 = x->dtype == DTYPE_INT8;
    struct kern_svdf p = {
        .batch = x->dims[0],
        .in = feature->dims[1],
        .units = feature->dims[0] / op->svdf.rank,
        .rank = op->svdf.rank,
        .memory = plan_in(plan, 2)->dims[1],
        .out_min_f = clamp.lo_f,
        .out_max_f = clamp.hi_f,
    };
    if (s8)
        quantize_svdf(plan, &p);
    uint32_t bias = op->inputs[3] == GRAPH_NONE ? PLAN_NONE : (uint32_t)op->inputs[3];
    return plan_step(plan, &(struct step_args){
                               .fn = s8 ? STEP_SVDF_S8 : STEP_SVDF_F32,
                               .params = &p,
                               .params_size = sizeof(p),
                               .inputs = {(uint32_t)op->inputs[1], (uint32_t)op->inputs[2], bias,
                                          (uint32_t)op->inputs[0], (uint32_t)op->inputs[4]},
                               .n_inputs = 5,
                               .outputs = {(uint32_t)op->outputs[0]},
                               .n_outputs = 1,
                               .weight_bytes = feature->size + plan_in(plan, 2)->size,
                           });
}

int plan_mfcc(struct plan *plan) {
    const struct op *op = plan_op(plan);
    const struct op_mfcc *m = &op->mfcc;
    const struct tensor *x = plan_in(plan, 0);
    struct kern_mfcc p = {
        .samples = x->dims[1],
        .frame = m->frame,
        .hop = m->hop,
        .fft = m->fft,
        .bands = m->bands,
        .coefficients = m->coefficients,
        .first_bin = m->first_bin,
        .last_bin = m->last_bin,
        .sample_rate = m->sample_rate,
        .low_hz = m->low_hz,
        .high_hz = m->high_hz,
        .floor = m->floor,
        .in_is_s16 = x->dtype == DTYPE_INT16,
    };
    size_t size = kern_mfcc_tables_size(&p);
    void *tables = plan_alloc(plan, 1, size);
    if (!tables)
        return err_origin(-ENOMEM);
    kern_mfcc_tables(&p, tables);
    uint32_t constant, scratch;
    int r = plan_const(plan, tables, size, &constant);
    if (r == 0)
        r = plan_scratch(plan, kern_mfcc_scratch_size(&p), &scratch);
    if (r)
        return r;
    return plan_step(plan, &(struct step_args){.fn = STEP_MFCC,
                                               .params = &p,
                                               .params_size = sizeof(p),
                                               .inputs = {constant, (uint32_t)op->inputs[0]},
                                               .n_inputs = 2,
                                               .outputs = {(uint32_t)op->outputs[0], scratch},
                                               .n_outputs = 2,
                                               .weight_bytes = size});
}
