/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SVDF: a filter over the input's features, then one over the time its results have stood in the
 * state. The C reference.
 */

#include <string.h>

#include "kernels/fixedpoint.h"
#include "kernels/list.h"
#include "kernels/round.h"

/* The newest value of the state of the filter `f`. */
static int32_t feature_s8(const struct kern_svdf *p, const int8_t *feature, const int8_t *x) {
    int32_t acc = 0;
    for (int32_t i = 0; i < p->in; i++)
        acc += feature[i] * (x[i] - p->in_zero);
    int64_t v = fixedpoint_multiply(acc, p->feature_mult, p->feature_shift);
    if (p->state_is_s16)
        return clamp_s64(v + p->state_zero, INT16_MIN, INT16_MAX);
    return clamp_s64(v + p->state_zero, INT8_MIN, INT8_MAX);
}

/* Shifts the state of one filter by a step, puts in the new value, and filters it over time. */
#define SVDF_DEFINE_TIME(name, type)                                                               \
    static int32_t name(const struct kern_svdf *p, const type *time, int32_t newest,               \
                        type *state) {                                                             \
        const size_t memory = (size_t)p->memory;                                                   \
        memmove(state, state + 1, (memory - 1) * sizeof(*state));                                  \
        state[memory - 1] = (type)newest;                                                          \
        int32_t acc = 0;                                                                           \
        for (size_t t = 0; t < memory; t++)                                                        \
            acc += time[t] * (state[t] - p->state_zero);                                           \
        return acc;                                                                                \
    }

SVDF_DEFINE_TIME(time_s8, int8_t)
SVDF_DEFINE_TIME(time_s16, int16_t)

void kern_svdf_s8_c(const struct kern_svdf *p, const int8_t *feature, const void *time,
                    const int32_t *bias, const int8_t *x, void *state, int8_t *y) {
    const size_t filters = (size_t)p->units * (size_t)p->rank, memory = (size_t)p->memory;
    for (int32_t b = 0; b < p->batch; b++, x += p->in) {
        for (int32_t u = 0; u < p->units; u++) {
            int32_t acc = bias ? bias[u] : 0;
            for (int32_t r = 0; r < p->rank; r++) {
                const size_t f = (size_t)u * (size_t)p->rank + (size_t)r;
                const size_t at = ((size_t)b * filters + f) * memory;
                int32_t newest = feature_s8(p, feature + f * (size_t)p->in, x);
                if (p->state_is_s16)
                    acc += time_s16(p, (const int16_t *)time + f * memory, newest,
                                    (int16_t *)state + at);
                else
                    acc +=
                        time_s8(p, (const int8_t *)time + f * memory, newest, (int8_t *)state + at);
            }
            int64_t v = fixedpoint_multiply(acc, p->out_mult, p->out_shift);
            *y++ = (int8_t)clamp_s64(v + p->out_zero, p->out_min, p->out_max);
        }
    }
}

static float dot_f32(const float *a, const float *b, size_t n) {
    float acc = 0;
    for (size_t i = 0; i < n; i++)
        acc += a[i] * b[i];
    return acc;
}

void kern_svdf_f32_c(const struct kern_svdf *p, const float *feature, const float *time,
                     const float *bias, const float *x, float *state, float *y) {
    const size_t filters = (size_t)p->units * (size_t)p->rank, memory = (size_t)p->memory;
    for (int32_t b = 0; b < p->batch; b++, x += p->in) {
        for (int32_t u = 0; u < p->units; u++) {
            float acc = bias ? bias[u] : 0;
            for (int32_t r = 0; r < p->rank; r++) {
                const size_t f = (size_t)u * (size_t)p->rank + (size_t)r;
                float *row = state + ((size_t)b * filters + f) * memory;
                memmove(row, row + 1, (memory - 1) * sizeof(*row));
                row[memory - 1] = dot_f32(feature + f * (size_t)p->in, x, (size_t)p->in);
                acc += dot_f32(time + f * memory, row, memory);
            }
            *y++ = clamp_f32(acc, p->out_min_f, p->out_max_f);
        }
    }
}
