/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress/adaround against all roundings of small layers, and compress/bias-correction against the means of what
 * networks answer.
 */

#include <check.h>

#include "base/attributes.h"
#include "compress/adaround.h"
#include "compress/grid.h"
#include "compress/linalg.h"
#include "compress/moments.h"
#include "tests/compress/small.h"

enum { OUT = 2, DEPTH = 3, SAMPLES = 64, SEEDS = 40 };

/* A layer of OUT x depth on a grid of few bits, and inputs that hang together. */
struct problem {
    struct graph *graph;
    struct dataset data;
    struct moments *moments;
    struct layers layers;
    struct grid grid;
};

static void begin(struct problem *p, uint64_t seed, uint32_t depth, uint32_t group) {
    struct small s = small_begin(seed, 2, (const int32_t[]){1, (int32_t)depth});
    small_dense(&s, OUT, ACT_NONE);
    p->graph = small_end(&s);
    p->data = small_data(p->graph, SAMPLES, seed + 1);
    float *x = (float *)p->data.x.data;
    for (size_t i = 0; i < SAMPLES * depth; i++)
        if (i % depth)
            x[i] = 0.5F * x[i] + 0.8F * x[i - 1] + 0.3F;
    struct diag diag;
    struct pass_context context = {
        .graph = p->graph, .calibration = &p->data, .tier = TIER_C, .diag = &diag};
    ck_assert_int_eq(layers_find(p->graph, &p->layers), 0);
    ck_assert_int_eq(moments_collect(&context, &p->layers, 0, MOMENTS_GRAM, &p->moments), 0);
    ck_assert_int_eq(grid_init(&p->grid, p->graph, &p->layers.items[0], group, -4, 3), 0);
    grid_choose_scales(&p->grid, GRID_MAX);
}

static void end(struct problem *p) {
    moments_free(p->moments, 1);
    grid_deinit(&p->grid);
    free((void *)p->data.x.data);
    graph_free(p->graph);
}

/* The least loss of a row over all choices of neighbours. */
static double best_of_all(struct problem *p, uint32_t row) {
    double best = INFINITY;
    int32_t *q = p->grid.q + row * DEPTH;
    for (int choice = 0; choice < 1 << DEPTH; choice++) {
        for (uint32_t k = 0; k < DEPTH; k++) {
            float x = p->grid.w[row * DEPTH + k] / grid_scale(&p->grid, row, k);
            float low = fminf(fmaxf(floorf(x), -4), 2);
            q[k] = (int32_t)low + (choice >> k & 1);
        }
        best = fmin(best, adaround_loss(&p->grid, p->moments, row));
    }
    return best;
}

/* Layers of 2 x 3 weights, with one scale a row and with one a weight: nearly always the best of all roundings, which no
 * move of single codes guarantees, and never far from it. */
START_TEST(test_exhaustive) {
    unsigned n_best = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct problem p;
        begin(&p, seed, DEPTH, seed % 2 ? 1 : DEPTH);
        ck_assert_int_eq(adaround(&p.grid, p.moments, 200, NULL), 0);
        for (uint32_t row = 0; row < OUT; row++) {
            double got = adaround_loss(&p.grid, p.moments, row), best = best_of_all(&p, row);
            n_best += got <= best * 1.0001 + 1e-12;
            ck_assert_msg(got <= best * 1.1, "seed %u row %u: %g, best %g", seed, row, got, best);
        }
        end(&p);
    }
    ck_assert_uint_ge(n_best, SEEDS * OUT * 95 / 100);
}
END_TEST

/* 48 inputs: well below what rounding to the nearest costs, and the same every time. */
START_TEST(test_better_than_nearest) {
    struct problem p;
    double nearest = 0, adaptive = 0;
    begin(&p, 5, 48, 48);
    grid_round_nearest(&p.grid);
    for (uint32_t row = 0; row < OUT; row++)
        nearest += adaround_loss(&p.grid, p.moments, row);
    ck_assert_int_eq(adaround(&p.grid, p.moments, 300, NULL), 0);
    for (uint32_t row = 0; row < OUT; row++)
        adaptive += adaround_loss(&p.grid, p.moments, row);
    ck_assert_msg(adaptive < 0.5 * nearest, "%g, nearest %g", adaptive, nearest);
    int32_t first[OUT * 48];
    memcpy(first, p.grid.q, sizeof(first));
    ck_assert_int_eq(adaround(&p.grid, p.moments, 300, NULL), 0);
    ck_assert_mem_eq(first, p.grid.q, sizeof(first));
    end(&p);
}
END_TEST

/* What was pruned stays so. */
START_TEST(test_zeros_stay) {
    struct problem p;
    begin(&p, 6, 48, 48);
    for (size_t i = 0; i < OUT * 48; i += 2)
        p.grid.w[i] = 0;
    ck_assert_int_eq(adaround(&p.grid, p.moments, 300, NULL), 0);
    for (size_t i = 0; i < OUT * 48; i += 2)
        ck_assert_int_eq(p.grid.q[i], 0);
    end(&p);
}
END_TEST

/* ---- bias correction ---- */

/* The largest mean difference of an output over the samples. */
static double mean_shift(const float *a, const float *b, size_t samples, size_t n) {
    double largest = 0;
    for (size_t c = 0; c < n; c++) {
        double sum = 0;
        for (size_t i = 0; i < samples; i++)
            sum += (double)b[i * n + c] - (double)a[i * n + c];
        largest = MAX(largest, fabs(sum / (double)samples));
    }
    return largest;
}

static double shift_of(const char *step) {
    struct small s = small_begin(21, 4, (const int32_t[]){1, 6, 6, 2});
    small_conv(&s, OP_CONV_2D, 8, 3, ACT_RELU);
    small_conv(&s, OP_DEPTHWISE_CONV_2D, 8, 3, ACT_RELU);
    small_dense(&s, 5, ACT_NONE);
    struct graph *g = small_end(&s);
    struct dataset data = small_data(g, 128, 4);
    for (size_t i = 0; i < data.x.n; i++)
        ((float *)data.x.data)[i] += 1;
    float *want = small_answers(g, &data);
    struct diag diag;
    ck_assert_msg(small_recipe(&g, step, &data, &diag) == 0, "%s", diag.text);
    float *got = small_answers(g, &data);
    double shift = mean_shift(want, got, data.n, 5);
    free(want);
    free(got);
    free((void *)data.x.data);
    graph_free(g);
    return shift;
}

static const struct {
    const char *options;
    double left; /* of the shift without correction */
} shifts[] = {
    {"\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"tensor\"", 0.02},
    {"\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"group\",\"group\":6", 0.05},
    {"\"pass\":\"quantize\",\"granularity\":\"tensor\",\"io\":\"float\"", 0.4},
};

/* The mean shift goes; activations of 8 bits leave the error of their own rounding. */
START_TEST(test_bias_correction) {
    char step[256];
    snprintf(step, sizeof(step), "{%s}", shifts[_i].options);
    double without = shift_of(step);
    snprintf(step, sizeof(step), "{%s,\"bias_correction\":true}", shifts[_i].options);
    double with = shift_of(step);
    ck_assert_msg(with < shifts[_i].left * without, "%g where it was %g", with, without);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("adaround");
    TCase *tc = tcase_create("adaround");
    if (linalg_ready(NULL) == 0) {
        tcase_add_test(tc, test_exhaustive);
        tcase_add_test(tc, test_better_than_nearest);
        tcase_add_test(tc, test_zeros_stay);
    } else {
        printf("SKIPPED: no OpenBLAS\n");
    }
    tcase_add_loop_test(tc, test_bias_correction, 0, ARRAY_SIZE(shifts));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
