/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `quantize-weights`: codes and scales against plain rounding, which layers get 4 bits, what it refuses.
 */

#include <check.h>

#include "base/attributes.h"
#include "tests/compress/small.h"

/* conv1: 27 weights a channel, depthwise1: 9, conv2: 12, dense1: 6 * 6 * 10 */
static struct graph *net(void) {
    struct small s = small_begin(13, 4, (const int32_t[]){1, 6, 6, 3});
    small_conv(&s, OP_CONV_2D, 12, 3, ACT_RELU);
    small_conv(&s, OP_DEPTHWISE_CONV_2D, 12, 3, ACT_RELU);
    small_conv(&s, OP_CONV_2D, 10, 1, ACT_RELU);
    small_dense(&s, 5, ACT_NONE);
    return small_end(&s);
}

static const struct tensor *weights(struct graph *g, const char *name) {
    struct layers layers;
    ck_assert_int_eq(layers_find(g, &layers), 0);
    const struct layer *layer = layers_get(&layers, name);
    ck_assert_ptr_nonnull(layer);
    return layer_weights(g, layer);
}

static struct graph *quantized(const char *step) {
    struct graph *g = net();
    struct diag diag;
    ck_assert_msg(small_recipe(&g, step, NULL, &diag) == 0, "%s: %s", step, diag.text);
    return g;
}

static int code(const struct tensor *w, size_t i) {
    if (w->dtype == DTYPE_INT8)
        return ((const int8_t *)w->data)[i];
    int nibble = ((const uint8_t *)w->data)[i / 2] >> (i % 2 ? 4 : 0) & 15;
    return nibble > 7 ? nibble - 16 : nibble;
}

/* 4 bits in groups of 30: each group of dense1 has its own scale, the largest magnitude over 7. */
START_TEST(test_groups) {
    struct graph *g =
        quantized("{\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":"
                  "\"group\",\"group\":30,\"layers\":[\"dense1\"],\"weights\":\"max\"}");
    struct graph *original = net();
    const struct tensor *q = weights(g, "dense1"), *w = weights(original, "dense1");
    const float *values = w->data;
    ck_assert_int_eq(q->dtype, DTYPE_INT4);
    ck_assert_uint_eq(q->quant.group, 30);
    ck_assert_uint_eq(q->quant.n_scales, 5 * 12);
    ck_assert_uint_eq(q->size, 5 * 360 / 2);
    for (size_t i = 0; i < 5 * 360; i++) {
        float largest = 0, scale = q->quant.scales[i / 30];
        for (size_t k = i / 30 * 30; k < i / 30 * 30 + 30; k++)
            largest = fmaxf(largest, fabsf(values[k]));
        ck_assert_float_eq_tol(scale, largest / 7, 1e-6F);
        ck_assert_int_eq(code(q, i), (int)roundf(values[i] / scale));
    }
    ck_assert_int_eq(weights(g, "conv1")->dtype, DTYPE_FP32);
    graph_free(original);
    graph_free(g);
}
END_TEST

/* With patterns, layers take what divides them: 27 is odd and gets 8 bits, depthwise too. */
START_TEST(test_fallbacks) {
    struct graph *g = quantized(
        "{\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"group\",\"group\":32}");
    ck_assert_int_eq(weights(g, "conv1")->dtype, DTYPE_INT8);
    ck_assert_int_eq(weights(g, "depthwise1")->dtype, DTYPE_INT8);
    ck_assert_uint_eq(weights(g, "depthwise1")->quant.n_scales, 12);
    ck_assert_int_eq(weights(g, "conv2")->dtype, DTYPE_INT4);
    ck_assert_uint_eq(weights(g, "conv2")->quant.group, 0); /* 12: a channel */
    ck_assert_uint_eq(weights(g, "conv2")->quant.n_scales, 10);
    ck_assert_int_eq(weights(g, "dense1")->dtype, DTYPE_INT4);
    ck_assert_uint_eq(weights(g, "dense1")->quant.group, 30); /* of 360 */
    graph_free(g);
}
END_TEST

static const struct {
    const char *options;
    double sqnr; /* at least, dB */
} ways[] = {
    {"\"bits\":8", 32},
    {"\"bits\":8,\"granularity\":\"tensor\"", 32},
    {"\"bits\":8,\"rounding\":\"stochastic\"", 30},
    {"\"bits\":4,\"granularity\":\"group\",\"group\":12", 16},
    {"\"bits\":4,\"granularity\":\"channel\",\"weights\":\"max\"", 14},
};

START_TEST(test_near_float) {
    struct graph *g = net();
    struct dataset data = small_data(g, 32, 5);
    float *want = small_answers(g, &data);
    char step[160];
    snprintf(step, sizeof(step), "{\"pass\":\"quantize-weights\",%s}", ways[_i].options);
    struct graph *q = quantized(step);
    float *got = small_answers(q, &data);
    double sqnr = small_sqnr(want, got, data.n * 5);
    ck_assert_msg(sqnr > ways[_i].sqnr, "%s: %g dB", step, sqnr);
    free(want);
    free(got);
    free((void *)data.x.data);
    graph_free(q);
    graph_free(g);
}
END_TEST

static const struct {
    const char *step, *says;
} refused[] = {
    {"{\"pass\":\"quantize-weights\",\"bits\":5}", "steps[0]: bits: must be 4 or 8, not 5"},
    {"{\"pass\":\"quantize-weights\",\"bits\":2}", "steps[0].bits must be from 4 to 8"},
    {"{\"pass\":\"quantize-weights\",\"granularity\":\"group\",\"group\":0}",
     "steps[0].group must be from 1"},
    {"{\"pass\":\"quantize-weights\",\"granularity\":\"group\",\"group\":32,\"layers\":[\"dense1\"]"
     "}",
     "steps[0]: group: 32 does not divide the 360 weights of an output channel of dense1"},
    {"{\"pass\":\"quantize-weights\",\"rounding\":\"adaptive\"}", "needs calibration data"},
    {"{\"pass\":\"quantize-weights\"},{\"pass\":\"quantize-weights\"}",
     "steps[1]: layers: none of them is a float layer"},
    {"{\"pass\":\"quantize-weights\",\"layers\":[\"dense2\"]}", "no layer is called 'dense2'"},
};

START_TEST(test_refused) {
    struct graph *g = net();
    struct diag diag;
    ck_assert_int_eq(small_recipe(&g, refused[_i].step, NULL, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, refused[_i].says) != NULL, "'%s' lacks '%s'", diag.text,
                  refused[_i].says);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("quantize-weights");
    TCase *tc = tcase_create("quantize-weights");
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_fallbacks);
    tcase_add_loop_test(tc, test_near_float, 0, ARRAY_SIZE(ways));
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
