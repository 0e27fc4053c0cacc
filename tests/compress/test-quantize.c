/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass `quantize`: the form of what it makes, how near it stays to the float network, mixed precision, and what it
 * refuses.
 */

#include <check.h>
#include <stdio.h>

#include "base/attributes.h"
#include "tests/compress/small.h"

/* Convolutions with a sum around them, a pool, a dense layer and probabilities. */
static struct graph *picture_net(void) {
    struct small s = small_begin(3, 4, (const int32_t[]){1, 8, 8, 3});
    small_conv(&s, OP_CONV_2D, 8, 3, ACT_RELU);
    int32_t early = s.last;
    small_conv(&s, OP_DEPTHWISE_CONV_2D, 8, 3, ACT_RELU);
    small_conv(&s, OP_CONV_2D, 8, 1, ACT_NONE);
    small_binary(&s, OP_ADD, early, s.last);
    small_unary(&s, &(struct op){.kind = OP_RELU});
    struct op pool = {.kind = OP_MAX_POOL_2D, .pool = {2, 2, 2, 2, 0, 0, 0, 0}};
    int32_t y = small_activation(&s, NULL, 4, (const int32_t[]){1, 4, 4, 8});
    small_op(&s, &pool, &s.last, 1, y);
    small_dense(&s, 6, ACT_NONE);
    small_unary(&s, &(struct op){.kind = OP_SOFTMAX, .softmax = {1}});
    return small_end(&s);
}

static unsigned count_ops(const struct graph *g, enum op_kind kind) {
    unsigned n = 0;
    for (uint32_t i = 0; i < g->n_ops; i++)
        n += g->ops[i].kind == kind;
    return n;
}

static const char *const ways[] = {
    "",
    ",\"calibration\":\"minmax\"",
    ",\"calibration\":\"percentile\"",
    ",\"calibration\":\"kl\"",
    ",\"granularity\":\"tensor\"",
    ",\"weights\":\"mse\"",
    ",\"rounding\":\"stochastic\"",
    ",\"io\":\"float\"",
};

/* Near the float network in all its forms. */
START_TEST(test_near_float) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 64, 5);
    float *want = small_answers(g, &data);
    char step[128];
    struct diag diag;
    snprintf(step, sizeof(step), "{\"pass\":\"quantize\"%s}", ways[_i]);
    ck_assert_msg(small_recipe(&g, step, &data, &diag) == 0, "%s", diag.text);
    float *got = small_answers(g, &data);
    double sqnr = small_sqnr(want, got, data.n * 6);
    ck_assert_msg(sqnr > 28, "%s: %g dB", step, sqnr);
    free(want);
    free(got);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

/* Everything int8, RELU behind the sum has become part of it, no conversions. */
START_TEST(test_form) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 16, 5);
    struct diag diag;
    ck_assert_int_eq(small_recipe(&g, "{\"pass\":\"quantize\"}", &data, &diag), 0);
    ck_assert_uint_eq(g->n_ops, 7);
    ck_assert_uint_eq(count_ops(g, OP_QUANTIZE) + count_ops(g, OP_DEQUANTIZE), 0);
    for (uint32_t i = 0; i < g->n_tensors; i++) {
        const struct tensor *t = &g->tensors[i];
        ck_assert_int_ne(t->dtype, DTYPE_FP32);
        if (t->kind == TENSOR_CONST && t->dtype == DTYPE_INT8)
            ck_assert_uint_gt(t->quant.n_scales, 1);
    }
    ck_assert_str_eq(g->tensors[g->inputs[0]].name, "x");
    const struct tensor *y = &g->tensors[g->outputs[0]];
    ck_assert_str_eq(y->name, "y");
    ck_assert(y->quant.scales[0] == 1.0F / 256 && y->quant.zero_point == -128);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

/* A layer stays float between conversions; inputs and outputs keep names and datatypes. */
START_TEST(test_mixed) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 16, 5);
    struct diag diag;
    const char *step = "{\"pass\":\"quantize\",\"io\":\"float\",\"except\":[\"depthwise1\"]}";
    ck_assert_msg(small_recipe(&g, step, &data, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(count_ops(g, OP_QUANTIZE), 2);   /* x, behind depthwise1 */
    ck_assert_uint_eq(count_ops(g, OP_DEQUANTIZE), 2); /* before depthwise1, y */
    ck_assert_int_eq(g->tensors[g->inputs[0]].dtype, DTYPE_FP32);
    ck_assert_str_eq(g->tensors[g->inputs[0]].name, "x");
    ck_assert_int_eq(g->tensors[g->outputs[0]].dtype, DTYPE_FP32);
    ck_assert_str_eq(g->tensors[g->outputs[0]].name, "y");
    for (uint32_t i = 0; i < g->n_ops; i++)
        if (g->ops[i].kind == OP_DEPTHWISE_CONV_2D)
            ck_assert_int_eq(g->tensors[g->ops[i].inputs[1]].dtype, DTYPE_FP32);
    /* What is left can be quantized later. */
    ck_assert_msg(small_recipe(&g, "{\"pass\":\"quantize\"}", &data, &diag) == 0, "%s", diag.text);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

/* Callers who take floats get probabilities computed in float. */
START_TEST(test_float_end) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 16, 5);
    struct diag diag;
    const char *step = "{\"pass\":\"quantize\",\"io\":\"float\"}";
    ck_assert_msg(small_recipe(&g, step, &data, &diag) == 0, "%s", diag.text);
    const struct op *last = &g->ops[g->n_ops - 1];
    ck_assert_int_eq(last->kind, OP_SOFTMAX);
    ck_assert_int_eq(g->tensors[last->inputs[0]].dtype, DTYPE_FP32);
    ck_assert_int_eq(g->ops[g->n_ops - 2].kind, OP_DEQUANTIZE);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

/* Only the last layer: the pool before it stays float, one conversion between them. */
START_TEST(test_last_only) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 16, 5);
    struct diag diag;
    const char *step = "{\"pass\":\"quantize\",\"layers\":[\"dense1\"]}";
    ck_assert_msg(small_recipe(&g, step, &data, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(count_ops(g, OP_QUANTIZE), 1);
    ck_assert_uint_eq(count_ops(g, OP_DEQUANTIZE), 0);
    ck_assert_int_eq(g->tensors[g->inputs[0]].dtype, DTYPE_FP32);
    ck_assert_int_eq(g->tensors[g->outputs[0]].dtype, DTYPE_INT8);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

/* LOGISTIC has one scale; joined with values beyond its range it is converted. */
START_TEST(test_fixed_scales) {
    struct small s = small_begin(3, 4, (const int32_t[]){1, 4, 4, 3});
    small_conv(&s, OP_CONV_2D, 4, 1, ACT_NONE);
    int32_t wide = s.last;
    small_unary(&s, &(struct op){.kind = OP_LOGISTIC});
    small_binary(&s, OP_MAXIMUM, wide, s.last);
    struct graph *g = small_end(&s);
    struct dataset data = small_data(g, 32, 5);
    float *want = small_answers(g, &data);
    struct diag diag;
    ck_assert_msg(
        small_recipe(&g, "{\"pass\":\"quantize\",\"calibration\":\"minmax\"}", &data, &diag) == 0,
        "%s", diag.text);
    ck_assert_uint_eq(count_ops(g, OP_QUANTIZE), 1);
    float *got = small_answers(g, &data);
    double sqnr = small_sqnr(want, got, data.n * 64);
    ck_assert_msg(sqnr > 30, "%g dB", sqnr);
    free(want);
    free(got);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

static const struct {
    const char *step, *says;
} refused[] = {
    {"{\"pass\":\"quantize\",\"layers\":[\"conv7\"]}", "no layer is called 'conv7'"},
    {"{\"pass\":\"quantize\",\"percentile\":110}", "steps[0].percentile must be from 50 to 100"},
    {"{\"pass\":\"quantize\",\"samples\":0}", "steps[0].samples must be from 1"},
    {"{\"pass\":\"quantize\",\"calibration\":\"max\"}",
     "steps[0].calibration must be one of minmax, percentile, mse, kl"},
    {"{\"pass\":\"quantize\"},{\"pass\":\"quantize\"}", "steps[1]: layers: none of them"},
};

START_TEST(test_refused) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 4, 5);
    struct diag diag;
    ck_assert_int_eq(small_recipe(&g, refused[_i].step, &data, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, refused[_i].says) != NULL, "'%s' lacks '%s'", diag.text,
                  refused[_i].says);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

START_TEST(test_bad_calibration) {
    struct graph *g = picture_net();
    struct dataset data = small_data(g, 4, 5);
    struct diag diag;
    ck_assert_int_eq(small_recipe(&g, "{\"pass\":\"quantize\"}", NULL, &diag), COMPRESS_E_INVALID);
    ck_assert_ptr_nonnull(strstr(diag.text, "needs calibration data"));
    data.per_sample--;
    ck_assert_int_eq(small_recipe(&g, "{\"pass\":\"quantize\"}", &data, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, "191 values a sample") != NULL, "%s", diag.text);
    data.per_sample++;
    ((float *)data.x.data)[200] = NAN;
    ck_assert_int_eq(small_recipe(&g, "{\"pass\":\"quantize\"}", &data, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, "not numbers") != NULL, "%s", diag.text);
    free((void *)data.x.data);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("quantize");
    TCase *tc = tcase_create("quantize");
    tcase_add_loop_test(tc, test_near_float, 0, ARRAY_SIZE(ways));
    tcase_add_test(tc, test_form);
    tcase_add_test(tc, test_mixed);
    tcase_add_test(tc, test_float_end);
    tcase_add_test(tc, test_last_only);
    tcase_add_test(tc, test_fixed_scales);
    tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
    tcase_add_test(tc, test_bad_calibration);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
