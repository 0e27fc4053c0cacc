/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling, mean, copies and filling.
 */

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/fixedpoint.h"
#include "tests/kernels/check.h"

#define CASES 60

/* Every window has a part inside the image, as the graph's shape rules guarantee. */
static struct kern_pool random_pool(struct check *c, unsigned i) {
    static const int32_t channels[] = {1, 3, 4, 8, 15, 16, 31, 32, 33, 64, 70};
    struct kern_pool p = {
        .in_h = check_between(c, 1, 9),
        .in_w = check_between(c, 1, 9),
        .c = channels[i % ARRAY_SIZE(channels)],
        .stride_h = check_between(c, 1, 3),
        .stride_w = check_between(c, 1, 3),
        .out_min = check_between(c, -128, 0),
        .out_max = check_between(c, 0, 127),
        .out_min_f = i % 3 ? -INFINITY : 0,
        .out_max_f = i % 3 ? INFINITY : 2,
    };
    p.kernel_h = check_between(c, 1, p.in_h);
    p.kernel_w = check_between(c, 1, p.in_w);
    p.out_h = (p.in_h + p.stride_h - 1) / p.stride_h;
    p.out_w = (p.in_w + p.stride_w - 1) / p.stride_w;
    p.pad_top = MAX((p.out_h - 1) * p.stride_h + p.kernel_h - p.in_h, 0) / 2;
    p.pad_left = MAX((p.out_w - 1) * p.stride_w + p.kernel_w - p.in_w, 0) / 2;
    return p;
}

#define POOL(op, type, fill, compare)                                                              \
    void check_##op(struct check *c) {                                                             \
        for (unsigned i = 0; i < CASES; i++) {                                                     \
            struct kern_pool p = random_pool(c, i);                                                \
            const size_t size = (size_t)p.in_h * (size_t)p.in_w * (size_t)p.c;                     \
            const size_t n = (size_t)p.out_h * (size_t)p.out_w * (size_t)p.c;                      \
            c->at_start = i % 2;                                                                   \
            check_describe(c, "%s " #op " %dx%dx%d k%dx%d s%dx%d p%d,%d", tier_name(c->tier),      \
                           p.in_h, p.in_w, p.c, p.kernel_h, p.kernel_w, p.stride_h, p.stride_w,    \
                           p.pad_top, p.pad_left);                                                 \
            type *x = check_input(c, size * sizeof(*x));                                           \
            type *y = check_output(c, n * sizeof(*y)), *e = check_output(c, n * sizeof(*e));       \
            fill(c, x, size, (enum check_fill)(i / 2 % FILL_END));                                 \
            check_protect(c);                                                                      \
            c->ref->op(&p, x, e);                                                                  \
            c->new->op(&p, x, y);                                                                  \
            compare;                                                                               \
            check_done(c);                                                                         \
        }                                                                                          \
    }

POOL(avg_pool_s8, int8_t, check_fill_s8, check_equal(c, e, y, n, 1))
POOL(max_pool_s8, int8_t, check_fill_s8, check_equal(c, e, y, n, 1))
POOL(avg_pool_f32, float, check_fill_f32, check_close(c, e, y, n, CHECK_F32_BOUND))
POOL(max_pool_f32, float, check_fill_f32, check_close(c, e, y, n, CHECK_F32_BOUND))

/* The multiplier divided by the count, as the plan prepares it. */
static struct kern_mean random_mean(struct check *c, size_t *ret_in, size_t *ret_out) {
    struct kern_mean p = {
        .n_dims = check_between(c, 1, 4),
        .in_zero = check_between(c, -128, 127),
        .out_zero = check_between(c, -128, 127),
    };
    *ret_in = *ret_out = 1;
    p.axes = (uint32_t)check_between(c, 1, (1 << p.n_dims) - 1);
    for (int32_t d = 0; d < p.n_dims; d++) {
        p.dims[d] = check_between(c, 1, d == p.n_dims - 1 ? 40 : 6);
        *ret_in *= (size_t)p.dims[d];
        *ret_out *= p.axes >> d & 1 ? 1 : (size_t)p.dims[d];
    }
    const int64_t count = (int64_t)(*ret_in / *ret_out);
    fixedpoint_quantize(random_unit(&c->random) * 3, &p.mult, &p.shift);
    int32_t bits = 63 - __builtin_clzll((uint64_t)count);
    bits = MIN(MIN(bits, 32), 31 + p.shift);
    p.mult = (int32_t)(((int64_t)p.mult << bits) / count);
    p.shift -= bits;
    return p;
}

#define MEAN(op, type, fill, compare)                                                              \
    void check_##op(struct check *c) {                                                             \
        for (unsigned i = 0; i < CASES; i++) {                                                     \
            size_t size, n;                                                                        \
            const struct kern_mean p = random_mean(c, &size, &n);                                  \
            c->at_start = i % 2;                                                                   \
            check_describe(c, "%s " #op " case %u, axes 0x%x of %d", tier_name(c->tier), i,        \
                           p.axes, p.n_dims);                                                      \
            type *x = check_input(c, size * sizeof(*x));                                           \
            type *y = check_output(c, n * sizeof(*y)), *e = check_output(c, n * sizeof(*e));       \
            fill(c, x, size, (enum check_fill)(i / 2 % FILL_END));                                 \
            check_protect(c);                                                                      \
            c->ref->op(&p, x, e);                                                                  \
            c->new->op(&p, x, y);                                                                  \
            compare;                                                                               \
            check_done(c);                                                                         \
        }                                                                                          \
    }

MEAN(mean_s8, int8_t, check_fill_s8, check_equal(c, e, y, n, 1))
MEAN(mean_f32, float, check_fill_f32, check_close(c, e, y, n, CHECK_F32_BOUND))

/* A dense box of the source to a permuted, in part reversed one of the destination. */
static struct kern_copy random_copy(struct check *c, size_t *ret_size) {
    static const int32_t sizes[] = {1, 2, 4, 8};
    struct kern_copy p = {
        .n_dims = check_between(c, 1, KERN_MAX_DIMS),
        .elem_size = sizes[check_between(c, 0, 3)],
    };
    int32_t order[KERN_MAX_DIMS];
    const bool plain = check_between(c, 0, 2) == 0;
    for (int32_t d = 0; d < p.n_dims; d++) {
        p.count[d] = check_between(c, 1, p.n_dims < 3 ? 40 : 6);
        order[d] = d;
    }
    for (int32_t d = p.n_dims - 1; d > 0 && !plain; d--) {
        int32_t j = check_between(c, 0, d), o = order[d];
        order[d] = order[j];
        order[j] = o;
    }
    int64_t src = p.elem_size, dst = p.elem_size;
    for (int32_t d = p.n_dims - 1; d >= 0; d--) {
        const bool reversed = !plain && check_between(c, 0, 3) == 0;
        p.src_stride[d] = reversed ? -src : src;
        p.src_offset += reversed ? (p.count[d] - 1) * src : 0;
        src *= p.count[d];
        p.dst_stride[order[d]] = dst;
        dst *= p.count[order[d]];
    }
    *ret_size = (size_t)src;
    return p;
}

void check_copy_nd(struct check *c) {
    for (unsigned i = 0; i < CASES; i++) {
        size_t size;
        const struct kern_copy p = random_copy(c, &size);
        c->at_start = i % 2;
        check_describe(c, "%s copy_nd case %u, %d dims", tier_name(c->tier), i, p.n_dims);
        int8_t *x = check_input(c, size), *y = check_output(c, size), *e = check_output(c, size);
        check_fill_s8(c, x, size, FILL_RANDOM);
        check_protect(c);
        c->ref->copy_nd(&p, x, e);
        c->new->copy_nd(&p, x, y);
        check_equal(c, e, y, size, 1);
        check_done(c);
    }
}

void check_fill(struct check *c) {
    for (unsigned i = 0; i < CASES; i++) {
        const int32_t elem_size = 1 << i % 4;
        const size_t n = (size_t)check_between(c, 0, 70), size = n * (size_t)elem_size;
        c->at_start = i / 4 % 2;
        check_describe(c, "%s fill %zu elements of %d", tier_name(c->tier), n, elem_size);
        int8_t *value = check_input(c, (size_t)elem_size);
        int8_t *y = check_output(c, size), *e = check_output(c, size);
        check_fill_s8(c, value, (size_t)elem_size, FILL_RANDOM);
        check_protect(c);
        c->ref->fill(value, elem_size, e, n);
        c->new->fill(value, elem_size, y, n);
        check_equal(c, e, y, size, 1);
        check_done(c);
    }
}
