/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unidirectional LSTM without peephole, projection or layer normalisation: the C reference.
 */

#include <math.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "kernels/float-math.h"
#include "kernels/list.h"
#include "kernels/round.h"

enum gate { GATE_INPUT, GATE_FORGET, GATE_CELL, GATE_OUTPUT, GATE_COUNT };

/* The gates of one step: float, or int16 which needs less. */
size_t kern_lstm_scratch_size(const struct kern_lstm *p) {
    return pack_room(GATE_COUNT * (size_t)p->cells * sizeof(float));
}

/* Where the step t of the sequence b stands, in steps. */
static size_t step_at(const struct kern_lstm *p, int32_t b, int32_t t) {
    if (p->time_major)
        return (size_t)t * (size_t)p->batch + (size_t)b;
    return (size_t)b * (size_t)p->time + (size_t)t;
}

static int16_t saturate_s16(int32_t v) {
    return (int16_t)clamp_s32(v, INT16_MIN, INT16_MAX);
}

static int32_t dot_s8(const int8_t *w, const int8_t *x, int32_t zero, size_t n) {
    int32_t acc = 0;
    for (size_t i = 0; i < n; i++)
        acc += (int16_t)w[i] * (int16_t)(x[i] - zero);
    return acc;
}

struct step_s8 {
    const int8_t *input_weights, *recurrent_weights;
    const int32_t *bias;
    const int8_t *x, *hidden;
};

/* One gate before its function, Q3.12. */
static int16_t gate_s8(const struct kern_lstm *p, const struct step_s8 *s, enum gate gate,
                       size_t cell) {
    const struct kern_lstm_gate *g = &p->gate[gate];
    const size_t cells = (size_t)p->cells, in = (size_t)p->in, row = gate * cells + cell;
    int32_t input = s->bias[row] + dot_s8(s->input_weights + row * in, s->x, p->in_zero, in);
    int32_t recurrent =
        dot_s8(s->recurrent_weights + row * cells, s->hidden, p->hidden_zero, cells);
    return saturate_s16(saturate_s16(fixedpoint_multiply(input, g->in_mult, g->in_shift)) +
                        saturate_s16(fixedpoint_multiply(recurrent, g->rec_mult, g->rec_shift)));
}

static int16_t cell_s8(const struct kern_lstm *p, int16_t input, int16_t forget, int16_t update,
                       int16_t cell) {
    int32_t kept = fixedpoint_multiply(forget * cell, p->forget_mult, p->forget_shift);
    int32_t added = fixedpoint_multiply(input * update, p->update_mult, p->update_shift);
    int32_t next = saturate_s16(saturate_s16(kept) + saturate_s16(added));
    if (p->cell_clip >= 0)
        next = clamp_s32(next, -p->cell_clip, p->cell_clip);
    return (int16_t)next;
}

static void step_s8(const struct kern_lstm *p, const struct step_s8 *s, int8_t *hidden,
                    int16_t *cell, int16_t *gates) {
    const size_t cells = (size_t)p->cells;
    for (unsigned g = 0; g < GATE_COUNT; g++) {
        for (size_t c = 0; c < cells; c++) {
            int16_t v = gate_s8(p, s, (enum gate)g, c);
            gates[g * cells + c] =
                g == GATE_CELL ? fixedpoint_tanh_s16(v, 0, 0) : fixedpoint_logistic_s16(v);
        }
    }
    for (size_t c = 0; c < cells; c++) {
        cell[c] = cell_s8(p, gates[GATE_INPUT * cells + c], gates[GATE_FORGET * cells + c],
                          gates[GATE_CELL * cells + c], cell[c]);
        int16_t t = fixedpoint_tanh_s16(cell[c], p->cell_tanh_mult, p->cell_tanh_shift);
        int32_t h = fixedpoint_multiply(t * gates[GATE_OUTPUT * cells + c], p->hidden_mult,
                                        p->hidden_shift);
        hidden[c] = (int8_t)clamp_s64((int64_t)h + p->hidden_zero, INT8_MIN, INT8_MAX);
    }
}

void kern_lstm_s8_c(const struct kern_lstm *p, const int8_t *weights, const int32_t *bias,
                    const int8_t *x, int8_t *hidden, int16_t *cell, int8_t *y, void *scratch) {
    const size_t cells = (size_t)p->cells, in = (size_t)p->in;
    for (int32_t b = 0; b < p->batch; b++, hidden += cells, cell += cells) {
        for (int32_t t = 0; t < p->time; t++) {
            const size_t at = step_at(p, b, t);
            const struct step_s8 s = {
                .input_weights = weights,
                .recurrent_weights = weights + GATE_COUNT * cells * in,
                .bias = bias,
                .x = x + at * in,
                .hidden = hidden,
            };
            step_s8(p, &s, hidden, cell, scratch);
            for (size_t c = 0; c < cells; c++)
                y[at * cells + c] = hidden[c];
        }
    }
}

static float dot_f32(const float *w, const float *x, size_t n) {
    float acc = 0;
    for (size_t i = 0; i < n; i++)
        acc += w[i] * x[i];
    return acc;
}

static void step_f32(const struct kern_lstm *p, const float *weights, const float *bias,
                     const float *x, float *hidden, float *cell, float *gates) {
    const size_t cells = (size_t)p->cells, in = (size_t)p->in;
    const float *recurrent = weights + GATE_COUNT * cells * in;
    for (size_t row = 0; row < GATE_COUNT * cells; row++) {
        float v = dot_f32(weights + row * in, x, in) + bias[row];
        v += dot_f32(recurrent + row * cells, hidden, cells);
        gates[row] = row / cells == GATE_CELL ? tanhf(v) : logistic_f32(v);
    }
    for (size_t c = 0; c < cells; c++) {
        float next = gates[GATE_FORGET * cells + c] * cell[c];
        next += gates[GATE_INPUT * cells + c] * gates[GATE_CELL * cells + c];
        if (p->cell_clip_f > 0)
            next = clamp_f32(next, -p->cell_clip_f, p->cell_clip_f);
        cell[c] = next;
        hidden[c] = tanhf(next) * gates[GATE_OUTPUT * cells + c];
    }
}

void kern_lstm_f32_c(const struct kern_lstm *p, const float *weights, const float *bias,
                     const float *x, float *hidden, float *cell, float *y, void *scratch) {
    const size_t cells = (size_t)p->cells, in = (size_t)p->in;
    for (int32_t b = 0; b < p->batch; b++, hidden += cells, cell += cells) {
        for (int32_t t = 0; t < p->time; t++) {
            const size_t at = step_at(p, b, t);
            step_f32(p, weights, bias, x + at * in, hidden, cell, scratch);
            for (size_t c = 0; c < cells; c++)
                y[at * cells + c] = hidden[c];
        }
    }
}
