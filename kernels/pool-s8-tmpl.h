/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of int8-tmpl.h: pooling and mean, VEC_BYTES channels at a time.
 */

#include "kernels/pool.h"
#include "kernels/reduce.h"

/* Sums of bytes: of 16 bits for as many positions as fit, then of 32. */
#define SUM_POSITIONS 256

struct byte_sums {
    vec words[2];
    vec_lanes sums[4];
    size_t positions; /* in words */
};

static inline void byte_sums_init(struct byte_sums *s) {
    s->words[0] = s->words[1] = vec_set1(0);
    for (unsigned i = 0; i < 4; i++)
        s->sums[i] = (vec_lanes){0};
    s->positions = 0;
}

static inline void byte_sums_flush(struct byte_sums *s) {
    vec wide[4];
    vec_widen_16(s->words, wide);
    for (unsigned i = 0; i < 4; i++)
        s->sums[i] += (vec_lanes)wide[i];
    s->words[0] = s->words[1] = vec_set1(0);
    s->positions = 0;
}

static inline vec bytes_load(const int8_t *x, size_t n) {
    return n == VEC_BYTES ? vec_load(x) : vec_load_some(x, n);
}

/* Adds n channels of `count` positions which are `step` apart. */
static inline __attribute__((always_inline)) void
byte_sums_add(struct byte_sums *s, const int8_t *x, size_t count, size_t step, const size_t n) {
    while (count > 0) {
        if (s->positions >= SUM_POSITIONS - 1)
            byte_sums_flush(s);
        size_t now = MIN(count, SUM_POSITIONS - s->positions);
        count -= now;
        s->positions += now + now % 2;
        vec lo = s->words[0], hi = s->words[1];
        for (; now >= 2; now -= 2, x += 2 * step) {
            vec words[2] = {lo, hi};
            vec_sum_bytes(words, bytes_load(x, n), bytes_load(x + step, n));
            lo = words[0];
            hi = words[1];
        }
        s->words[0] = lo;
        s->words[1] = hi;
        if (now) {
            vec_sum_bytes(s->words, bytes_load(x, n), vec_set1(0));
            x += step;
        }
    }
}

/* ---- average ---- */

/* Up to here the division by a reciprocal is exact, see average_of(). */
#define AVERAGE_POSITIONS 4096

/* 1 / n, rounded up. */
static float reciprocal_above(int32_t n) {
    const float r = 1 / (float)n;
    return (double)r * n < 1 ? __builtin_nextafterf(r, 2) : r;
}

/* sum / n to the nearest, halves away from zero, as (sum +- n / 2) / n truncated. The product with
 * the reciprocal, which is rounded up, is not below a whole quotient, and exceeds any by less than
 * |quotient| * 3 * 2^-24 < 1 / n: it does not reach the next one. */
static inline vec average_of(vec_lanes sum, int32_t count, float reciprocal) {
    const vec_lanes negative = sum >> 31;
    const vec_lanes half = ((count / 2) ^ negative) - negative;
    const vec_floats quotient = __builtin_convertvector(sum + half, vec_floats) * reciprocal;
    return (vec) __builtin_convertvector(quotient, vec_lanes);
}

/* n channels of one window. */
static inline __attribute__((always_inline)) void
average_window(const struct kern_pool *p, const struct pool_window *w, float reciprocal,
               const struct vec_out *out, const int8_t *x, int8_t *y, const size_t n) {
    struct byte_sums s;
    byte_sums_init(&s);
    const size_t width = (size_t)(w->x1 - w->x0), height = (size_t)(w->y1 - w->y0);
    const size_t channels = (size_t)p->c;
    const bool whole = w->x1 - w->x0 == p->in_w; /* the rows follow one another */
    const size_t runs = whole ? 1 : height, length = whole ? width * height : width;
    for (size_t i = 0; i < runs; i++)
        byte_sums_add(&s, x + pool_at(p, w->y0 + (int32_t)i, w->x0), length, channels, n);
    byte_sums_flush(&s);
    const int32_t count = pool_window_size(w);
    const vec bytes = vec_narrow(
        average_of(s.sums[0], count, reciprocal), average_of(s.sums[1], count, reciprocal),
        average_of(s.sums[2], count, reciprocal), average_of(s.sums[3], count, reciprocal), out);
    if (n == VEC_BYTES)
        vec_store(y, bytes);
    else
        vec_store_some(y, bytes, n);
}

void KERN_NAME(avg_pool_s8)(const struct kern_pool *p, const int8_t *x, int8_t *y) {
    const size_t channels = (size_t)p->c;
    if ((int64_t)p->kernel_h * p->kernel_w > AVERAGE_POSITIONS) {
        kern_avg_pool_s8_c(p, x, y);
        return;
    }
    const struct vec_out out = vec_out_set(0, p->out_min, p->out_max);
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, y += channels) {
            const struct pool_window w = pool_window(p, oy, ox);
            const float reciprocal = reciprocal_above(MAX(pool_window_size(&w), 1));
            size_t c = 0;
            for (; c + VEC_BYTES <= channels; c += VEC_BYTES)
                average_window(p, &w, reciprocal, &out, x + c, y + c, VEC_BYTES);
            if (c < channels)
                average_window(p, &w, reciprocal, &out, x + c, y + c, channels - c);
        }
    }
}

/* ---- maximum ---- */

static inline __attribute__((always_inline)) void max_window(const struct kern_pool *p,
                                                             const struct pool_window *w, vec lo,
                                                             vec hi, const int8_t *x, int8_t *y,
                                                             const size_t n) {
    vec max = lo;
    for (int32_t iy = w->y0; iy < w->y1; iy++) {
        const int8_t *row = x + pool_at(p, iy, w->x0);
        for (int32_t ix = w->x0; ix < w->x1; ix++, row += p->c)
            max = vec_max_bytes(max, bytes_load(row, n));
    }
    max = vec_min_bytes(max, hi);
    if (n == VEC_BYTES)
        vec_store(y, max);
    else
        vec_store_some(y, max, n);
}

void KERN_NAME(max_pool_s8)(const struct kern_pool *p, const int8_t *x, int8_t *y) {
    const size_t channels = (size_t)p->c;
    const vec lo = vec_set1_byte((int8_t)p->out_min), hi = vec_set1_byte((int8_t)p->out_max);
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        for (int32_t ox = 0; ox < p->out_w; ox++, y += channels) {
            const struct pool_window w = pool_window(p, oy, ox);
            size_t c = 0;
            for (; c + VEC_BYTES <= channels; c += VEC_BYTES)
                max_window(p, &w, lo, hi, x + c, y + c, VEC_BYTES);
            if (c < channels)
                max_window(p, &w, lo, hi, x + c, y + c, channels - c);
        }
    }
}

/* ---- mean ---- */

struct mean_constants {
    vec_lanes zero; /* of all positions together */
    vec mult, round, shift;
    struct vec_out out;
};

/* n neighbouring outputs. */
static inline __attribute__((always_inline)) void mean_block(const struct mean_constants *k,
                                                             const struct reduce_axes *reduced,
                                                             const int8_t *x, int8_t *y,
                                                             const size_t n) {
    struct byte_sums s;
    byte_sums_init(&s);
    const size_t inner = reduced->dims[reduced->n - 1], step = reduced->stride[reduced->n - 1];
    for (size_t i = 0; i < reduced->count; i += inner)
        byte_sums_add(&s, x + reduce_axes_at(reduced, i), inner, step, n);
    byte_sums_flush(&s);
    vec q[4];
    for (unsigned i = 0; i < 4; i++)
        q[i] = vec_requantize((vec)(s.sums[i] - k->zero), k->mult, k->round, k->shift);
    const vec bytes = vec_narrow(q[0], q[1], q[2], q[3], &k->out);
    if (n == VEC_BYTES)
        vec_store(y, bytes);
    else
        vec_store_some(y, bytes, n);
}

void KERN_NAME(mean_s8)(const struct kern_mean *p, const int8_t *x, int8_t *y) {
    struct reduce_axes kept, reduced;
    reduce_axes_init(&kept, p, false);
    reduce_axes_init(&reduced, p, true);
    const size_t inner = kept.dims[kept.n - 1];
    const int32_t right = -1 - p->shift;
    /* Sums along the last axis, and multipliers whose product's high half is not enough. */
    if (kept.stride[kept.n - 1] != 1 || right < 1 || right > 31) {
        kern_mean_s8_c(p, x, y);
        return;
    }
    const struct mean_constants k = {
        .zero = (vec_lanes)vec_set1((int32_t)((uint32_t)p->in_zero * (uint32_t)reduced.count)),
        .mult = vec_set1(p->mult),
        .round = vec_set1((int32_t)1 << (right - 1)),
        .shift = vec_set1(right),
        .out = vec_out_set(p->out_zero, INT8_MIN, INT8_MAX),
    };
    for (size_t o = 0; o < kept.count; o += inner, y += inner) {
        const int8_t *row = x + reduce_axes_at(&kept, o);
        size_t c = 0;
        for (; c + VEC_BYTES <= inner; c += VEC_BYTES)
            mean_block(&k, &reduced, row + c, y + c, VEC_BYTES);
        if (c < inner)
            mean_block(&k, &reduced, row + c, y + c, inner - c);
    }
}
