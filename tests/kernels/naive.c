/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise operations, pooling, mean, softmax, quantization and copies as formulas.
 */

#include "tests/kernels/naive.h"

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"

int32_t naive_multiply(int32_t x, int32_t mult, int32_t shift) {
    const __int128 divisor = (__int128)1 << (31 - shift);
    __int128 sum = (__int128)x * mult + divisor / 2;
    __int128 quotient = sum / divisor;
    if (quotient * divisor > sum)
        quotient--;
    return (int32_t)(uint32_t)quotient;
}

static int32_t clamp(int64_t v, int32_t lo, int32_t hi) {
    return v < lo ? lo : v > hi ? hi : (int32_t)v;
}

static float clampf(float v, float lo, float hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

/* Coordinates of the element i of a dense tensor. */
static void coordinates(const int32_t *dims, int n_dims, size_t i, int32_t *at) {
    for (int d = n_dims - 1; d >= 0; d--) {
        at[d] = (int32_t)(i % (size_t)dims[d]);
        i /= (size_t)dims[d];
    }
}

static size_t elements(const int32_t *dims, int n_dims) {
    size_t n = 1;
    for (int d = 0; d < n_dims; d++)
        n *= (size_t)dims[d];
    return n;
}

static size_t strided(const int32_t *at, const int32_t *stride, int n_dims) {
    size_t sum = 0;
    for (int d = 0; d < n_dims; d++)
        sum += (size_t)at[d] * (size_t)stride[d];
    return sum;
}

#define BINARY(op, type, expr)                                                                     \
    void kern_##op##_naive(const struct kern_binary *p, const type *a, const type *b, type *y) {   \
        for (size_t i = 0; i < elements(p->dims, p->n_dims); i++) {                                \
            int32_t at[KERN_MAX_DIMS];                                                             \
            coordinates(p->dims, p->n_dims, i, at);                                                \
            type u = a[strided(at, p->a_stride, p->n_dims)];                                       \
            type v = b[strided(at, p->b_stride, p->n_dims)];                                       \
            y[i] = (type)(expr);                                                                   \
        }                                                                                          \
    }

static int32_t side(int32_t q, int32_t zero, int32_t mult, int32_t shift) {
    return naive_multiply((q - zero) * 1048576, mult, shift);
}
static int32_t finish(const struct kern_binary *p, int32_t v) {
    return clamp((int64_t)naive_multiply(v, p->out_mult, p->out_shift) + p->out_zero, p->out_min,
                 p->out_max);
}
#define SIDE_A side(u, p->a_zero, p->a_mult, p->a_shift)
#define SIDE_B side(v, p->b_zero, p->b_mult, p->b_shift)

BINARY(add_s8, int8_t, finish(p, SIDE_A + SIDE_B))
BINARY(sub_s8, int8_t, finish(p, SIDE_A - SIDE_B))
BINARY(mul_s8, int8_t, finish(p, (u - p->a_zero) * (v - p->b_zero)))
BINARY(max_s8, int8_t, u > v ? u : v)
BINARY(min_s8, int8_t, u < v ? u : v)
BINARY(add_f32, float, clampf(u + v, p->out_min_f, p->out_max_f))
BINARY(sub_f32, float, clampf(u - v, p->out_min_f, p->out_max_f))
BINARY(mul_f32, float, clampf(u *v, p->out_min_f, p->out_max_f))
BINARY(max_f32, float, fmaxf(u, v))
BINARY(min_f32, float, fminf(u, v))

/* Each output position and channel by itself: `first` starts, `step` takes a value, `last` makes
 * the result. */
#define POOL(op, type, acc_type, first, step, last)                                                \
    void kern_##op##_naive(const struct kern_pool *p, const type *x, type *y) {                    \
        for (int oy = 0; oy < p->out_h; oy++) {                                                    \
            for (int ox = 0; ox < p->out_w; ox++) {                                                \
                for (int c = 0; c < p->c; c++) {                                                   \
                    acc_type acc = first;                                                          \
                    int n = 0;                                                                     \
                    for (int ky = 0; ky < p->kernel_h; ky++) {                                     \
                        for (int kx = 0; kx < p->kernel_w; kx++) {                                 \
                            int iy = oy * p->stride_h - p->pad_top + ky;                           \
                            int ix = ox * p->stride_w - p->pad_left + kx;                          \
                            if (iy < 0 || iy >= p->in_h || ix < 0 || ix >= p->in_w)                \
                                continue;                                                          \
                            type v = x[((size_t)iy * p->in_w + ix) * p->c + c];                    \
                            acc = step;                                                            \
                            n++;                                                                   \
                        }                                                                          \
                    }                                                                              \
                    *y++ = (type)(last);                                                           \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

POOL(avg_pool_s8, int8_t, int, 0, acc + v,
     clamp((int64_t)round((double)acc / n), p->out_min, p->out_max))
POOL(max_pool_s8, int8_t, int, INT8_MIN, MAX(acc, v) + 0 * n, clamp(acc, p->out_min, p->out_max))
POOL(avg_pool_f32, float, float, 0, acc + v, clampf(acc / (float)n, p->out_min_f, p->out_max_f))
POOL(max_pool_f32, float, float, -INFINITY, fmaxf(acc, v) + 0 * (float)n,
     clampf(acc, p->out_min_f, p->out_max_f))

/* Which output the input element at these coordinates belongs to. */
static size_t mean_output(const struct kern_mean *p, const int32_t *at) {
    size_t o = 0;
    for (int d = 0; d < p->n_dims; d++) {
        if (!(p->axes >> d & 1))
            o = o * (size_t)p->dims[d] + (size_t)at[d];
    }
    return o;
}

static size_t mean_outputs(const struct kern_mean *p) {
    size_t n = 1;
    for (int d = 0; d < p->n_dims; d++)
        n *= p->axes >> d & 1 ? 1 : (size_t)p->dims[d];
    return n;
}

#define MEAN(op, type, sum_type, last)                                                             \
    void kern_##op##_naive(const struct kern_mean *p, const type *x, type *y) {                    \
        const size_t total = elements(p->dims, p->n_dims);                                         \
        const size_t n = total / mean_outputs(p);                                                  \
        for (size_t o = 0; o < mean_outputs(p); o++) {                                             \
            sum_type sum = 0;                                                                      \
            for (size_t i = 0; i < total; i++) {                                                   \
                int32_t at[KERN_MAX_DIMS];                                                         \
                coordinates(p->dims, p->n_dims, i, at);                                            \
                if (mean_output(p, at) == o)                                                       \
                    sum += x[i];                                                                   \
            }                                                                                      \
            y[o] = (type)(last);                                                                   \
        }                                                                                          \
    }

MEAN(mean_s8, int8_t, int64_t,
     clamp((int64_t)naive_multiply((int32_t)(sum - p->in_zero * (int64_t)n), p->mult, p->shift) +
               p->out_zero,
           INT8_MIN, INT8_MAX))
MEAN(mean_f32, float, float, sum / (float)n)

#define UNARY(op, expr)                                                                            \
    void kern_##op##_naive(const float *x, float *y, size_t n) {                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = expr;                                                                           \
    }

UNARY(logistic_f32, x[i] > 16.619047164916992F ? 1 : x[i] < -9 ? expf(x[i]) : 1 / (1 + expf(-x[i])))
UNARY(tanh_f32, tanhf(x[i]))

void kern_lut_8_naive(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

void kern_clamp_f32_naive(float lo, float hi, const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = fminf(fmaxf(x[i], lo), hi);
}

void kern_leaky_relu_f32_naive(float alpha, const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? alpha * x[i] : x[i];
}

/* One row of probabilities as signed numbers of `bits` bits. */
static void softmax_row(const struct kern_softmax *p, const int8_t *x, int bits, int32_t *ret_y) {
    const int32_t lowest = -(1 << (bits - 1));
    int max = x[0];
    for (int i = 1; i < p->cols; i++)
        max = MAX(max, x[i]);
    uint32_t sum = 0;
    for (int i = 0; i < p->cols; i++) {
        int32_t e = fixedpoint_exp_neg(naive_multiply(x[i] - max, p->mult, p->shift), 5);
        if (x[i] - max >= p->diff_min)
            sum += (uint32_t)floor(e / 4096.0 + 0.5);
    }
    int zeros = 0;
    while (!(sum << zeros >> 31))
        zeros++;
    int32_t reciprocal = fixedpoint_recip_one_plus((int32_t)((sum << zeros) - 0x80000000U));
    for (int i = 0; i < p->cols; i++) {
        int32_t e = fixedpoint_exp_neg(naive_multiply(x[i] - max, p->mult, p->shift), 5);
        double product = floor((double)reciprocal * e / 2147483648.0 + 0.5);
        int64_t v = (int64_t)round(ldexp(product, -(12 - zeros + 31 - bits))) + lowest;
        ret_y[i] = x[i] - max >= p->diff_min ? clamp(v, lowest, -lowest - 1) : lowest;
    }
}

#define SOFTMAX(op, type, bits)                                                                    \
    void kern_##op##_naive(const struct kern_softmax *p, const int8_t *x, type *y) {               \
        int32_t row[1024];                                                                         \
        for (int r = 0; r < p->rows; r++, x += p->cols) {                                          \
            softmax_row(p, x, bits, row);                                                          \
            for (int i = 0; i < p->cols; i++)                                                      \
                *y++ = (type)row[i];                                                               \
        }                                                                                          \
    }

SOFTMAX(softmax_s8, int8_t, 8)
SOFTMAX(softmax_s8_s16, int16_t, 16)

void kern_softmax_f32_naive(const struct kern_softmax *p, const float *x, float *y) {
    for (int r = 0; r < p->rows; r++, x += p->cols, y += p->cols) {
        float max = x[0], sum = 0;
        for (int i = 1; i < p->cols; i++)
            max = fmaxf(max, x[i]);
        for (int i = 0; i < p->cols; i++)
            sum += expf((x[i] - max) * p->beta);
        for (int i = 0; i < p->cols; i++)
            y[i] = expf((x[i] - max) * p->beta) / sum;
    }
}

#define QUANTIZE(name, type)                                                                       \
    void kern_quantize_f32_##name##_naive(const struct kern_quantize *p, const float *x, type *y,  \
                                          size_t n) {                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            float v = x[i] / p->scale;                                                             \
            double q = (isnan(v) ? 0 : round((double)v)) + p->zero;                                \
            y[i] = (type)fmin(fmax(q, p->out_min), p->out_max);                                    \
        }                                                                                          \
    }                                                                                              \
    void kern_dequantize_##name##_f32_naive(const struct kern_quantize *p, const type *x,          \
                                            float *y, size_t n) {                                  \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = (float)((double)p->scale * (x[i] - p->zero));                                   \
    }

QUANTIZE(s8, int8_t)
QUANTIZE(u8, uint8_t)
QUANTIZE(s16, int16_t)

#define REQUANTIZE(name, in_type, out_type)                                                        \
    void kern_requantize_##name##_naive(const struct kern_quantize *p, const in_type *x,           \
                                        out_type *y, size_t n) {                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = (out_type)clamp((int64_t)naive_multiply(x[i] - p->in_zero, p->mult, p->shift) + \
                                       p->out_zero,                                                \
                                   p->out_min, p->out_max);                                        \
    }

REQUANTIZE(s8_s16, int8_t, int16_t)
REQUANTIZE(s8_s32, int8_t, int32_t)
REQUANTIZE(s16_s8, int16_t, int8_t)
REQUANTIZE(s16_s16, int16_t, int16_t)
REQUANTIZE(s16_s32, int16_t, int32_t)

void kern_copy_nd_naive(const struct kern_copy *p, const void *x, void *y) {
    for (size_t i = 0; i < elements(p->count, p->n_dims); i++) {
        int32_t at[KERN_MAX_DIMS];
        coordinates(p->count, p->n_dims, i, at);
        int64_t src = p->src_offset, dst = p->dst_offset;
        for (int d = 0; d < p->n_dims; d++) {
            src += at[d] * p->src_stride[d];
            dst += at[d] * p->dst_stride[d];
        }
        memcpy((char *)y + dst, (const char *)x + src, (size_t)p->elem_size);
    }
}

void kern_fill_naive(const void *value, int32_t elem_size, void *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        memcpy((char *)y + i * (size_t)elem_size, value, (size_t)elem_size);
}

/* Counts only: there is no value to compare. */
uint64_t kern_peak_s8_naive(uint64_t rounds) {
    return rounds;
}

uint64_t kern_peak_f32_naive(uint64_t rounds) {
    return 2 * rounds;
}

const struct kernels *naive_kernels(void) {
    static struct kernels k;
#define USE(op) k.op = kern_##op##_naive;
    KERN_OPS(USE)
#undef USE
    return &k;
}
