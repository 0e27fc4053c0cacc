/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results' squared error is (w - q s) H (w - q s)' with the Gram matrix H of the inputs, so there are no batches.
 * Rows that read the same inputs are optimized together: the relaxed problem by Adam, then codes are moved one by one as
 * long as that helps, also from the nearest codes; the better of both is taken.
 */

#include "compress/adaround.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/grid.h"
#include "compress/linalg.h"
#include "compress/moments.h"
#include "kernels/blas.h"

/* The rectified sigmoid h(v) = clip(sigmoid(v) (ZETA - GAMMA) + GAMMA, 0, 1). */
#define ZETA 1.1F
#define GAMMA (-0.1F)
#define WEIGHT 0.02F     /* of the regulariser 1 - |2 h - 1|^beta */
#define WARM_UP 0.2F     /* part of the iterations without it */
#define BETA_FIRST 20.0F /* annealed to BETA_LAST */
#define BETA_LAST 2.0F
#define RATE 0.03F /* of Adam */
#define MOMENT_1 0.9F
#define MOMENT_2 0.999F
#define EPSILON 1e-8F
#define SMALLEST_GAIN 1e-9 /* of a move; smaller ones may be rounding */

/* Rows that read the same inputs, in units of their scales. */
struct problem {
    struct grid *grid;
    uint32_t first, rows; /* of the grid */
    size_t depth;
    float *gram; /* [depth][depth], its mean diagonal 1 */
    /* All [rows][depth]: the weight in units of its scale, the code below it (at the ends of the grid there is only one
     * choice), its scale relative to that of the row's first weight; Adam's variables; error and its product with gram. */
    float *x, *below, *unit;
    float *v, *m1, *m2;
    float *error, *pulls;
    double *pull;  /* [depth], of one row */
    int32_t *kept; /* [depth], of one row */
};

static int problem_init(struct problem *p, struct grid *grid, uint32_t first, uint32_t rows) {
    size_t depth = grid->depth, n = rows * depth;
    *p = (struct problem){.grid = grid, .first = first, .rows = rows, .depth = depth};
    p->gram = malloc(depth * depth * sizeof(*p->gram));
    p->x = calloc(8 * n, sizeof(*p->x));
    p->pull = malloc(depth * sizeof(*p->pull));
    p->kept = malloc(depth * sizeof(*p->kept));
    if (!p->gram || !p->x || !p->pull || !p->kept)
        return err_origin(-ENOMEM);
    float **parts[] = {&p->below, &p->unit, &p->v, &p->m1, &p->m2, &p->error, &p->pulls};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        *parts[i] = p->x + (i + 1) * n;
    return 0;
}

static void problem_deinit(struct problem *p) {
    free(p->gram);
    free(p->x);
    free(p->pull);
    free(p->kept);
}

static int32_t *codes(const struct problem *p, uint32_t row) {
    return p->grid->q + (p->first + row) * p->depth;
}

static void set_weights(struct problem *p) {
    const struct grid *g = p->grid;
    for (uint32_t r = 0; r < p->rows; r++) {
        uint32_t row = p->first + r;
        for (size_t k = 0; k < p->depth; k++) {
            size_t i = r * p->depth + k;
            float scale = grid_scale(g, row, (uint32_t)k);
            p->x[i] = g->w[row * p->depth + k] / scale;
            p->below[i] = fminf(fmaxf(floorf(p->x[i]), (float)g->min), (float)g->max - 1);
            /* A weight that was pruned stays so: an error there counts nothing, and no move is worth anything. */
            p->unit[i] = p->x[i] == 0 ? 0 : scale / grid_scale(g, row, 0);
        }
    }
}

static void set_gram(struct problem *p, const double *gram) {
    double trace = 0;
    for (size_t k = 0; k < p->depth; k++)
        trace += gram[k * p->depth + k];
    double unit = trace > 0 ? (double)p->depth / trace : 0;
    for (size_t i = 0; i < p->depth * p->depth; i++)
        p->gram[i] = (float)(gram[i] * unit);
}

/* ---- the relaxed problem ---- */

static float rectified(float v, float *ret_slope) {
    float s = 1 / (1 + expf(-v)), h = s * (ZETA - GAMMA) + GAMMA;
    *ret_slope = h > 0 && h < 1 ? s * (1 - s) * (ZETA - GAMMA) : 0;
    return fminf(fmaxf(h, 0), 1);
}

/* h(v) is the weight's place between its neighbours. */
static void begin_relaxed(struct problem *p) {
    for (size_t i = 0; i < p->rows * p->depth; i++) {
        float rest = fminf(fmaxf(p->x[i] - p->below[i], 0.01F), 0.99F);
        p->v[i] = -logf((ZETA - GAMMA) / (rest - GAMMA) - 1);
    }
}

static void set_pulls(struct problem *p) {
    int depth = (int)p->depth;
    float slope;
    for (size_t i = 0; i < p->rows * p->depth; i++)
        p->error[i] = (p->below[i] + rectified(p->v[i], &slope) - p->x[i]) * p->unit[i];
    memset(p->pulls, 0, p->rows * p->depth * sizeof(*p->pulls));
    blas_gemm_f32((int)p->rows, depth, depth, p->error, depth, p->gram, depth, p->pulls, depth);
}

/* The slope of WEIGHT (1 - |2 h - 1|^beta). */
static float regulariser(float h, float beta) {
    float x = 2 * h - 1;
    return -WEIGHT * 2 * beta * copysignf(powf(fabsf(x), beta - 1), x);
}

static void step(struct problem *p, uint32_t iteration, uint32_t iterations) {
    float done = (float)iteration / (float)iterations;
    float late = fmaxf((done - WARM_UP) / (1 - WARM_UP), 0);
    float beta = BETA_LAST + (BETA_FIRST - BETA_LAST) * 0.5F * (1 + cosf(late * (float)M_PI));
    float fade_1 = 1 - powf(MOMENT_1, (float)iteration + 1);
    float fade_2 = 1 - powf(MOMENT_2, (float)iteration + 1);
    set_pulls(p);
    for (size_t i = 0; i < p->rows * p->depth; i++) {
        float slope, h = rectified(p->v[i], &slope);
        float g = 2 * p->pulls[i] * p->unit[i];
        if (late > 0)
            g += regulariser(h, beta);
        g *= slope;
        p->m1[i] = MOMENT_1 * p->m1[i] + (1 - MOMENT_1) * g;
        p->m2[i] = MOMENT_2 * p->m2[i] + (1 - MOMENT_2) * g * g;
        p->v[i] -= RATE * (p->m1[i] / fade_1) / (sqrtf(p->m2[i] / fade_2) + EPSILON);
    }
}

static void end_relaxed(struct problem *p) {
    int32_t *q = codes(p, 0);
    float slope;
    for (size_t i = 0; i < p->rows * p->depth; i++)
        q[i] = (int32_t)p->below[i] + (rectified(p->v[i], &slope) >= 0.5F);
}

/* ---- whole codes ---- */

/* The error of code k in units of the row's first scale. */
static double error_of(const struct problem *p, uint32_t row, size_t k) {
    size_t i = row * p->depth + k;
    return ((double)codes(p, row)[k] - (double)p->x[i]) * (double)p->unit[i];
}

/* pull = gram error, of one row. */
static void set_pull(struct problem *p, uint32_t row) {
    memset(p->pull, 0, p->depth * sizeof(*p->pull));
    for (size_t k = 0; k < p->depth; k++) {
        double e = error_of(p, row, k);
        const float *gram = p->gram + k * p->depth;
        for (size_t j = 0; j < p->depth; j++)
            p->pull[j] += e * (double)gram[j];
    }
}

static double row_loss(const struct problem *p, uint32_t row) {
    double loss = 0;
    for (size_t k = 0; k < p->depth; k++)
        loss += error_of(p, row, k) * p->pull[k];
    return loss;
}

/* Which way code k can go. */
static int direction(const struct problem *p, uint32_t row, size_t k) {
    return codes(p, row)[k] == (int32_t)p->below[row * p->depth + k] ? 1 : -1;
}

/* The code whose move helps most; depth where none does. */
static size_t best_move(const struct problem *p, uint32_t row) {
    double best = -SMALLEST_GAIN;
    size_t which = p->depth;
    for (size_t k = 0; k < p->depth; k++) {
        double by = direction(p, row, k) * (double)p->unit[row * p->depth + k];
        double change = by * (2 * p->pull[k] + by * (double)p->gram[k * p->depth + k]);
        if (change < best) {
            best = change;
            which = k;
        }
    }
    return which;
}

/* Moves codes until no move helps. Returns the loss. */
static double descend(struct problem *p, uint32_t row) {
    set_pull(p, row);
    for (size_t moves = 0; moves < 4 * p->depth; moves++) {
        size_t k = best_move(p, row);
        if (k == p->depth)
            break;
        int by = direction(p, row, k);
        double moved = by * (double)p->unit[row * p->depth + k];
        codes(p, row)[k] += by;
        for (size_t j = 0; j < p->depth; j++)
            p->pull[j] += moved * (double)p->gram[k * p->depth + j];
    }
    return row_loss(p, row);
}

static void set_nearest(struct problem *p, uint32_t row) {
    for (size_t k = 0; k < p->depth; k++) {
        size_t i = row * p->depth + k;
        codes(p, row)[k] = (int32_t)p->below[i] + (p->x[i] - p->below[i] >= 0.5F);
    }
}

static void choose_codes(struct problem *p) {
    for (uint32_t r = 0; r < p->rows; r++) {
        double relaxed = descend(p, r);
        memcpy(p->kept, codes(p, r), p->depth * sizeof(*p->kept));
        set_nearest(p, r);
        if (descend(p, r) > relaxed)
            memcpy(codes(p, r), p->kept, p->depth * sizeof(*p->kept));
    }
}

/* ---- layers ---- */

int adaround(struct grid *grid, const struct moments *moments, uint32_t iterations,
             struct diag *diag) {
    uint32_t rows = grid->rows / moments->groups;
    int r = linalg_ready(diag);
    for (uint32_t group = 0; group < moments->groups && r == 0; group++) {
        struct problem p;
        r = problem_init(&p, grid, group * rows, rows);
        if (r == 0) {
            set_gram(&p, moments_gram(moments, group * rows));
            set_weights(&p);
            begin_relaxed(&p);
            for (uint32_t i = 0; i < iterations; i++)
                step(&p, i, iterations);
            end_relaxed(&p);
            choose_codes(&p);
        }
        problem_deinit(&p);
    }
    return r;
}

double adaround_loss(const struct grid *grid, const struct moments *moments, uint32_t row) {
    const double *gram = moments_gram(moments, row);
    size_t depth = grid->depth;
    double loss = 0;
    for (size_t i = 0; i < depth; i++)
        for (size_t j = 0; j < depth; j++)
            loss += gram[i * depth + j] *
                    (double)(grid_value(grid, row, (uint32_t)i) - grid->w[row * depth + i]) *
                    (double)(grid_value(grid, row, (uint32_t)j) - grid->w[row * depth + j]);
    return moments->rows ? loss / (double)moments->rows : 0;
}
