/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `fixed-point`: the grid, the choice of its fraction bits, int8 with powers of two, and what it refuses.
 */

#include <check.h>

#include "base/attributes.h"
#include "tests/compress/small.h"

static struct graph *net(void) {
    struct small s = small_begin(17, 4, (const int32_t[]){1, 6, 6, 3});
    small_conv(&s, OP_CONV_2D, 6, 3, ACT_RELU);
    small_conv(&s, OP_DEPTHWISE_CONV_2D, 6, 3, ACT_NONE);
    small_unary(&s, &(struct op){.kind = OP_RELU});
    small_dense(&s, 5, ACT_NONE);
    return small_end(&s);
}

static struct graph *fixed(const char *options, const struct dataset *data) {
    struct graph *g = net();
    char step[160];
    struct diag diag;
    snprintf(step, sizeof(step), "{\"pass\":\"fixed-point\"%s}", options);
    ck_assert_msg(small_recipe(&g, step, data, &diag) == 0, "%s: %s", step, diag.text);
    return g;
}

static float largest(struct graph *g, const struct layer *l) {
    const float *w = layer_weights(g, l)->data;
    float m = 0;
    for (size_t i = 0; i < (size_t)l->out * l->depth; i++)
        m = fmaxf(m, fabsf(w[i]));
    return m;
}

/* All weights are q * 2^-fraction with |q| <= limit. */
static void check_grid(struct graph *g, const struct layer *l, int fraction, float limit) {
    const float *w = layer_weights(g, l)->data;
    for (size_t i = 0; i < (size_t)l->out * l->depth; i++) {
        float q = ldexpf(w[i], fraction);
        ck_assert_msg(q == rintf(q) && fabsf(q) <= limit, "%s: %g is no code", l->name, (double)q);
    }
}

static const uint32_t bits[] = {2, 4, 8, 16};

/* The finest format in which nothing overflows, and each weight goes to its nearest code. */
START_TEST(test_network_format) {
    char options[64];
    struct graph *original = net();
    snprintf(options, sizeof(options), ",\"bits\":%u,\"weights\":\"max\"", bits[_i]);
    struct graph *g = fixed(options, NULL);
    float limit = (float)(1 << (bits[_i] - 1)) - 1, all = 0;
    struct layers layers, before;
    ck_assert_int_eq(layers_find(g, &layers), 0);
    ck_assert_int_eq(layers_find(original, &before), 0);
    for (uint32_t i = 0; i < before.n; i++)
        all = fmaxf(all, largest(original, &before.items[i]));
    int fraction = -20;
    while (ldexpf(all, fraction + 1) <= limit)
        fraction++;
    for (uint32_t i = 0; i < layers.n; i++) {
        const float *a = layer_weights(g, &layers.items[i])->data;
        const float *b = layer_weights(original, &before.items[i])->data;
        check_grid(g, &layers.items[i], fraction, limit);
        for (size_t k = 0; k < (size_t)layers.items[i].out * layers.items[i].depth; k++)
            ck_assert(fabsf(a[k] - b[k]) <= ldexpf(0.5F, -fraction));
    }
    graph_free(original);
    graph_free(g);
}
END_TEST

static double error(struct graph *a, struct graph *b, uint32_t which) {
    struct layers x, y;
    double sum = 0;
    ck_assert_int_eq(layers_find(a, &x), 0);
    ck_assert_int_eq(layers_find(b, &y), 0);
    const float *v = layer_weights(a, &x.items[which])->data;
    const float *w = layer_weights(b, &y.items[which])->data;
    for (size_t i = 0; i < (size_t)x.items[which].out * x.items[which].depth; i++)
        sum += ((double)v[i] - (double)w[i]) * ((double)v[i] - (double)w[i]);
    return sum;
}

/* The least squared error of all fractions that could be given, for each layer. */
START_TEST(test_layer_format) {
    struct graph *original = net();
    struct graph *g = fixed(",\"bits\":4,\"scope_of_format\":\"layer\"", NULL);
    for (uint32_t i = 0; i < 3; i++) {
        double least = INFINITY;
        for (int f = -2; f < 12; f++) {
            char options[64];
            snprintf(options, sizeof(options), ",\"bits\":4,\"fraction\":%d", f);
            struct graph *other = fixed(options, NULL);
            least = fmin(least, error(original, other, i));
            graph_free(other);
        }
        ck_assert_double_eq_tol(error(original, g, i), least, 1e-9);
    }
    graph_free(original);
    graph_free(g);
}
END_TEST

/* int8 throughout, every scale a power of two, every zero at zero; near the float network. */
START_TEST(test_activations) {
    struct graph *original = net();
    struct dataset data = small_data(original, 64, 3);
    struct graph *g = fixed(",\"scope_of_format\":\"layer\",\"activations\":8", &data);
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        const struct tensor *t = &g->tensors[i];
        int exponent;
        ck_assert_int_ne(t->dtype, DTYPE_FP32);
        ck_assert_uint_le(t->quant.n_scales, 1);
        ck_assert_int_eq(t->quant.zero_point, 0);
        if (t->quant.n_scales)
            ck_assert(frexpf(t->quant.scales[0], &exponent) == 0.5F);
    }
    float *want = small_answers(original, &data), *got = small_answers(g, &data);
    double sqnr = small_sqnr(want, got, data.n * 5);
    ck_assert_msg(sqnr > 25, "%g dB", sqnr);
    free(want);
    free(got);
    free((void *)data.x.data);
    graph_free(original);
    graph_free(g);
}
END_TEST

static const struct {
    const char *options, *says;
} refused[] = {
    {",\"bits\":1", "steps[0].bits must be from 2 to 16"},
    {",\"bits\":17", "steps[0].bits must be from 2 to 16"},
    {",\"fraction\":2.5", "steps[0]: fraction: must be a whole number"},
    {",\"fraction\":33", "steps[0].fraction must be from -16 to 32, not 33"},
    {",\"fraction\":-17", "steps[0].fraction must be from -16 to 32, not -17"},
    {",\"fraction\":99", "steps[0].fraction must be from -16 to 32, not 99"},
    {",\"activations\":1", "steps[0]: activations: must be 0 or from 2 to 8"},
    {",\"activations\":9", "steps[0].activations must be from 0 to 8"},
    {",\"activations\":8,\"bits\":12", "steps[0]: activations: weights under them have 8 bits"},
    {",\"activations\":8", "needs calibration data"},
    {",\"scope_of_format\":\"channel\"", "steps[0].scope_of_format must be one of network, layer"},
};

START_TEST(test_refused) {
    struct graph *g = net();
    struct diag diag;
    char step[128];
    snprintf(step, sizeof(step), "{\"pass\":\"fixed-point\"%s}", refused[_i].options);
    ck_assert_int_eq(small_recipe(&g, step, NULL, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, refused[_i].says) != NULL, "'%s' lacks '%s'", diag.text,
                  refused[_i].says);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fixed-point");
    TCase *tc = tcase_create("fixed-point");
    tcase_add_loop_test(tc, test_network_format, 0, ARRAY_SIZE(bits));
    tcase_add_test(tc, test_layer_format);
    tcase_add_test(tc, test_activations);
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
