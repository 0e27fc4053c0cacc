/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes pruned weights, packs them both ways, and times the two kernels in turn.
 */

#include "runtime/sparse-time.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "kernels/im2col.h"
#include "kernels/round.h"
#include "kernels/sparse.h"

#define MAX_ROUNDS 101

/* The kernels and operands of a case; all of it is in one allocation. */
struct timed {
    struct kern_conv p;
    const struct kern_conv_impl *impl[2]; /* dense, sparse */
    void *packed[2], *scratch[2];
    void *x, *y;
};

struct kern_conv sparse_image(int32_t side, int32_t in_c, int32_t k, int32_t stride,
                              int32_t out_c) {
    struct kern_conv p = kern_conv_product(1, in_c, out_c);
    p.in_h = p.in_w = side;
    p.kernel_h = p.kernel_w = k;
    p.stride_h = p.stride_w = stride;
    p.out_h = p.out_w = (side + stride - 1) / stride;
    p.pad_top = p.pad_left = MAX((p.out_h - 1) * stride + k - side, 0) / 2;
    return p;
}

static void *room(size_t size) {
    return aligned_alloc(KERN_PACK_ALIGN, pack_room(size) + KERN_PACK_ALIGN);
}

/* Ordinary weights, bias and multipliers; blocks are kept with the probability `density`. */
struct made {
    void *filter, *bias;
    int32_t *mult, *shift;
};

static void made_deinit(struct made *m) {
    free(m->filter);
    free(m->bias);
    free(m->mult);
    free(m->shift);
}

static int make(const struct sparse_case *c, struct random *random, struct made *m) {
    const size_t out_c = (size_t)c->shape.out_c, depth = im2col_depth(&c->shape);
    const size_t block = sparse_block(c->pattern), size = c->is_float ? sizeof(float) : 1;
    m->filter = calloc(out_c * depth, size);
    m->bias = calloc(out_c, sizeof(float));
    m->mult = calloc(out_c, sizeof(*m->mult));
    m->shift = calloc(out_c, sizeof(*m->shift));
    if (!m->filter || !m->bias || !m->mult || !m->shift)
        return err_origin(-ENOMEM);
    for (size_t first = 0; first < out_c; first += block) {
        for (size_t k = 0; k < depth; k++) {
            if (random_unit(random) >= c->density)
                continue;
            for (size_t o = first; o < MIN(first + block, out_c); o++) {
                if (c->is_float)
                    ((float *)m->filter)[o * depth + k] = (float)random_unit(random) + 0.5F;
                else
                    ((int8_t *)m->filter)[o * depth + k] = (int8_t)(1 + random_below(random, 127));
            }
        }
    }
    for (size_t o = 0; o < out_c; o++) {
        m->mult[o] = 1 << 30;
        m->shift[o] = -8;
    }
    return 0;
}

static void timed_deinit(struct timed *t) {
    for (unsigned i = 0; i < 2; i++) {
        free(t->packed[i]);
        free(t->scratch[i]);
    }
    free(t->x);
    free(t->y);
}

/* The implementation that is chosen, with or without a look at the zeros. */
static const struct kern_conv_impl *choose(const struct kernels *k, const struct sparse_case *c,
                                           struct kern_conv *p, bool sparse) {
    const struct kern_conv_impl *const *list = c->is_float ? k->conv_f32 : k->conv_s8;
    p->sparsity = (struct kern_sparsity){0};
    if (sparse)
        p->sparsity.crossover[c->pattern] = 1;
    return list[kern_conv_choose(list, p)];
}

static int prepare(struct timed *t, enum tier tier, const struct sparse_case *c) {
    _cleanup_(made_deinit) struct made made = {0};
    struct random random = {.state = c->seed};
    const size_t size = c->is_float ? sizeof(float) : 1;
    const size_t n_x = (size_t)t->p.in_h * (size_t)t->p.in_w * (size_t)t->p.in_c;
    const size_t n_y = (size_t)t->p.out_h * (size_t)t->p.out_w * (size_t)t->p.out_c;
    for (unsigned i = 0; i < 2; i++)
        t->impl[i] = choose(kernels_get(tier), c, &t->p, i == 1);
    if (!t->impl[1]->packed_size_of)
        return SPARSE_E_NONE;
    int r = make(c, &random, &made);
    if (r)
        return r;
    const struct kern_conv_weights w = {
        .filter = made.filter, .bias = made.bias, .mult = made.mult, .shift = made.shift};
    t->x = room(n_x * size);
    t->y = room(n_y * size);
    if (!t->x || !t->y)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n_x; i++) {
        if (c->is_float)
            ((float *)t->x)[i] = (float)random_unit(&random);
        else
            ((int8_t *)t->x)[i] = (int8_t)random_u64(&random);
    }
    for (unsigned i = 0; i < 2; i++) {
        t->packed[i] = room(kern_conv_packed_size(t->impl[i], &t->p, &w));
        t->scratch[i] = room(t->impl[i]->scratch_size(&t->p));
        if (!t->packed[i] || !t->scratch[i])
            return err_origin(-ENOMEM);
        t->impl[i]->pack(&t->p, &w, t->packed[i]);
    }
    return 0;
}

static double run_ns(const struct timed *t, unsigned i, unsigned times) {
    const uint64_t start = clock_now_ns();
    for (unsigned n = 0; n < times; n++)
        t->impl[i]->run(&t->p, t->packed[i], t->x, t->y, t->scratch[i]);
    return (double)(clock_now_ns() - start) / times;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, unsigned n) {
    qsort(v, n, sizeof(*v), ascending);
    return v[n / 2];
}

int sparse_time(enum tier tier, const struct sparse_case *c, unsigned rounds, double us,
                struct sparse_time *ret_time) {
    _cleanup_(timed_deinit) struct timed t = {.p = c->shape};
    t.p.out_min = INT8_MIN;
    t.p.out_max = INT8_MAX;
    t.p.out_min_f = -INFINITY;
    t.p.out_max_f = INFINITY;
    int r = prepare(&t, tier, c);
    if (r)
        return r;
    double ns[2][MAX_ROUNDS], ratios[MAX_ROUNDS];
    unsigned times[2];
    rounds = MIN(MAX(rounds, 1U), (unsigned)MAX_ROUNDS);
    for (unsigned i = 0; i < 2; i++) {
        run_ns(&t, i, 2);
        times[i] = (unsigned)MIN(us * 1e3 / (run_ns(&t, i, 3) + 1), 1e6) + 1;
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 2; i++)
            ns[i][round] = run_ns(&t, i, times[i]);
        ratios[round] = ns[0][round] / ns[1][round];
    }
    *ret_time = (struct sparse_time){.dense = t.impl[0]->name,
                                     .sparse = t.impl[1]->name,
                                     .dense_us = median(ns[0], rounds) / 1e3,
                                     .sparse_us = median(ns[1], rounds) / 1e3,
                                     .ratio = median(ratios, rounds)};
    return 0;
}
