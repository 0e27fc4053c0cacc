/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LSTM, SVDF and MFCC as formulas; the MFCC with a plain discrete Fourier transform in double.
 */

#include <math.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "tests/kernels/naive.h"

static int32_t sat16(int64_t v) {
    return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : (int32_t)v;
}

static int32_t sat(int64_t v, int32_t lo, int32_t hi) {
    return v < lo ? lo : v > hi ? hi : (int32_t)v;
}

void kern_lstm_s8_naive(const struct kern_lstm *p, const int8_t *weights, const int32_t *bias,
                        const int8_t *x, int8_t *hidden, int16_t *cell, int8_t *y, void *scratch) {
    const int n = p->cells, in = p->in;
    int16_t *pre = calloc(4 * (size_t)n, sizeof(*pre));
    for (int s = 0; s < p->batch * p->time; s++) {
        const int b = s / p->time, t = s % p->time;
        const int at = p->time_major ? t * p->batch + b : b * p->time + t;
        int8_t *h = hidden + b * n;
        int16_t *c = cell + b * n;
        for (int row = 0; row < 4 * n; row++) {
            const struct kern_lstm_gate *g = &p->gate[row / n];
            int64_t input = bias[row], recurrent = 0;
            for (int i = 0; i < in; i++)
                input += weights[row * in + i] * (x[at * in + i] - p->in_zero);
            for (int i = 0; i < n; i++)
                recurrent += weights[4 * n * in + row * n + i] * (h[i] - p->hidden_zero);
            pre[row] = (int16_t)sat16(
                sat16(naive_multiply((int32_t)input, g->in_mult, g->in_shift)) +
                sat16(naive_multiply((int32_t)recurrent, g->rec_mult, g->rec_shift)));
        }
        for (int i = 0; i < n; i++) {
            int32_t ig = fixedpoint_logistic_s16(pre[i]);
            int32_t fg = fixedpoint_logistic_s16(pre[n + i]);
            int32_t update = fixedpoint_tanh_s16(pre[2 * n + i], 0, 0);
            int32_t og = fixedpoint_logistic_s16(pre[3 * n + i]);
            int32_t next =
                sat16(sat16(naive_multiply(fg * c[i], p->forget_mult, p->forget_shift)) +
                      sat16(naive_multiply(ig * update, p->update_mult, p->update_shift)));
            if (p->cell_clip >= 0)
                next = sat(next, -p->cell_clip, p->cell_clip);
            c[i] = (int16_t)next;
            int32_t th = fixedpoint_tanh_s16(c[i], p->cell_tanh_mult, p->cell_tanh_shift);
            h[i] = (int8_t)sat((int64_t)naive_multiply(th * og, p->hidden_mult, p->hidden_shift) +
                                   p->hidden_zero,
                               INT8_MIN, INT8_MAX);
            y[at * n + i] = h[i];
        }
    }
    free(pre);
}

static float sigmoid(float x) {
    float y;
    kern_logistic_f32_naive(&x, &y, 1);
    return y;
}

void kern_lstm_f32_naive(const struct kern_lstm *p, const float *weights, const float *bias,
                         const float *x, float *hidden, float *cell, float *y, void *scratch) {
    const int n = p->cells, in = p->in;
    float *pre = calloc(4 * (size_t)n, sizeof(*pre));
    for (int s = 0; s < p->batch * p->time; s++) {
        const int b = s / p->time, t = s % p->time;
        const int at = p->time_major ? t * p->batch + b : b * p->time + t;
        float *h = hidden + b * n, *c = cell + b * n;
        for (int row = 0; row < 4 * n; row++) {
            float input = 0, recurrent = 0;
            for (int i = 0; i < in; i++)
                input += weights[row * in + i] * x[at * in + i];
            for (int i = 0; i < n; i++)
                recurrent += weights[4 * n * in + row * n + i] * h[i];
            pre[row] = (input + bias[row]) + recurrent;
        }
        for (int i = 0; i < n; i++) {
            float kept = sigmoid(pre[n + i]) * c[i];
            c[i] = kept + sigmoid(pre[i]) * tanhf(pre[2 * n + i]);
            if (p->cell_clip_f > 0)
                c[i] = fminf(fmaxf(c[i], -p->cell_clip_f), p->cell_clip_f);
            h[i] = sigmoid(pre[3 * n + i]) * tanhf(c[i]);
            y[at * n + i] = h[i];
        }
    }
    free(pre);
}

static int32_t state_get(const struct kern_svdf *p, const void *s, size_t i) {
    return p->state_is_s16 ? ((const int16_t *)s)[i] : ((const int8_t *)s)[i];
}

static void state_set(const struct kern_svdf *p, void *s, size_t i, int32_t v) {
    if (p->state_is_s16)
        ((int16_t *)s)[i] = (int16_t)v;
    else
        ((int8_t *)s)[i] = (int8_t)v;
}

void kern_svdf_s8_naive(const struct kern_svdf *p, const int8_t *feature, const void *time,
                        const int32_t *bias, const int8_t *x, void *state, int8_t *y) {
    const int filters = p->units * p->rank, memory = p->memory;
    for (int b = 0; b < p->batch; b++) {
        for (int u = 0; u < p->units; u++) {
            int64_t sum = bias ? bias[u] : 0;
            for (int f = u * p->rank; f < (u + 1) * p->rank; f++) {
                const size_t at = ((size_t)b * filters + f) * memory;
                int64_t acc = 0;
                for (int i = 0; i < p->in; i++)
                    acc += feature[f * p->in + i] * (x[b * p->in + i] - p->in_zero);
                int64_t v = naive_multiply((int32_t)acc, p->feature_mult, p->feature_shift);
                v = p->state_is_s16 ? sat16(v + p->state_zero)
                                    : sat(v + p->state_zero, INT8_MIN, INT8_MAX);
                for (int t = 0; t + 1 < memory; t++)
                    state_set(p, state, at + t, state_get(p, state, at + t + 1));
                state_set(p, state, at + memory - 1, (int32_t)v);
                for (int t = 0; t < memory; t++)
                    sum += (int64_t)state_get(p, time, (size_t)f * memory + t) *
                           (state_get(p, state, at + t) - p->state_zero);
            }
            int64_t v = naive_multiply((int32_t)sum, p->out_mult, p->out_shift);
            *y++ = (int8_t)sat(v + p->out_zero, p->out_min, p->out_max);
        }
    }
}

void kern_svdf_f32_naive(const struct kern_svdf *p, const float *feature, const float *time,
                         const float *bias, const float *x, float *state, float *y) {
    const int filters = p->units * p->rank, memory = p->memory;
    for (int b = 0; b < p->batch; b++) {
        for (int u = 0; u < p->units; u++) {
            float sum = bias ? bias[u] : 0;
            for (int f = u * p->rank; f < (u + 1) * p->rank; f++) {
                float *row = state + ((size_t)b * filters + f) * memory, newest = 0, acc = 0;
                for (int i = 0; i < p->in; i++)
                    newest += feature[f * p->in + i] * x[b * p->in + i];
                for (int t = 0; t + 1 < memory; t++)
                    row[t] = row[t + 1];
                row[memory - 1] = newest;
                for (int t = 0; t < memory; t++)
                    acc += time[f * memory + t] * row[t];
                sum += acc;
            }
            *y++ = fminf(fmaxf(sum, p->out_min_f), p->out_max_f);
        }
    }
}

static double mel(double hz) {
    return 1127.0 * log(1.0 + hz / 700.0);
}

/* Magnitude of the bin k of the windowed frame at x. */
static double magnitude(const struct kern_mfcc *p, const void *x, int at, int k) {
    double re = 0, im = 0;
    for (int i = 0; i < p->frame; i++) {
        double v = p->in_is_s16 ? ((const int16_t *)x)[at + i] / 32768.0
                                : (double)((const float *)x)[at + i];
        v *= 0.5 - 0.5 * cos(2 * M_PI * i / p->frame);
        re += v * cos(2 * M_PI * k * i / p->fft);
        im -= v * sin(2 * M_PI * k * i / p->fft);
    }
    return hypot(re, im);
}

void kern_mfcc_naive(const struct kern_mfcc *p, const void *tables, const void *x, float *y,
                     void *scratch) {
    const double low = mel((double)p->low_hz), high = mel((double)p->high_hz);
    double *energy = calloc((size_t)p->bands, sizeof(*energy));
    for (int at = 0; at + p->frame <= p->samples; at += p->hop) {
        for (int b = 0; b < p->bands; b++)
            energy[b] = 0;
        for (int k = p->first_bin; k <= p->last_bin; k++) {
            double m = magnitude(p, x, at, k);
            double place = (mel((double)k * p->sample_rate / p->fft) - low) / (high - low);
            for (int b = 0; b < p->bands; b++) {
                double distance = fabs(place * (p->bands + 1) - (b + 1));
                energy[b] += distance < 1 ? m * (1 - distance) : 0;
            }
        }
        for (int c = 0; c < p->coefficients; c++) {
            double sum = 0;
            for (int b = 0; b < p->bands; b++)
                sum +=
                    log(fmax(energy[b], (double)p->floor)) * cos(M_PI * c * (b + 0.5) / p->bands);
            *y++ = (float)(sum * sqrt((c ? 2.0 : 1.0) / p->bands));
        }
    }
    free(energy);
}
