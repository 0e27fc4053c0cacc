/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters, zeros and multiplications counted by hand, of real networks against their own files, and latencies.
 */

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "compress/complexity.h"
#include "compress/latency.h"
#include "model/container.h"
#include "runtime/runtime.h"
#include "tests/compress/dense.h"

START_TEST(dense_by_hand) {
    const float a[] = {1, 0, -0.0F, 4, 5, 6}, b[] = {0, 0, 0, 1}, bias[] = {0, 1};
    struct graph *g = dense_start(3);
    dense_add(g, "a", a, bias, 2, ACT_RELU);
    dense_add(g, "b", b, NULL, 2, ACT_NONE);
    struct complexity c = complexity_of(g);
    ck_assert_uint_eq(c.parameters, 6 + 2 + 4);
    ck_assert_uint_eq(c.non_zeros, 4 + 1 + 1);
    ck_assert_uint_eq(c.bits, 32 * 12);
    ck_assert_uint_eq(c.macs, 10);
    ck_assert_uint_eq(c.effective_macs, 5);
    c = complexity_of_op(g, &g->ops[0]);
    ck_assert_uint_eq(c.parameters, 8);
    ck_assert_uint_eq(c.non_zeros, 5);
    ck_assert_uint_eq(c.macs, 6);
    ck_assert_uint_eq(c.effective_macs, 4);
    graph_free(g);
}
END_TEST

/* Each weight of a convolution is used at every place of the result. */
START_TEST(convolution_by_hand) {
    struct graph *g = dense_start(1);
    int32_t w, y;
    g->tensors[0].n_dims = 4;
    memcpy(g->tensors[0].dims, (int32_t[]){1, 5, 4, 1}, 4 * sizeof(int32_t));
    g->tensors[0].size = 20 * sizeof(float);
    const float weights[] = {0, 1, 2, 0, 0, 3};
    ck_assert_int_eq(layer_add_const(g, "w", (const int32_t[]){1, 3, 2, 1}, 4, weights, &w, NULL),
                     0);
    struct tensor out = {.name = "y", .dtype = DTYPE_FP32, .n_dims = 4, .dims = {1, 3, 3, 1}};
    out.size = 9 * sizeof(float);
    ck_assert_int_eq(graph_add_tensor(g, &out, &y), 0);
    struct op op = {.kind = OP_CONV_2D, .n_inputs = 3, .n_outputs = 1};
    op.conv = (struct op_conv){.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1};
    ck_assert_int_eq(graph_add_op(g, &op, (const int32_t[]){0, w, GRAPH_NONE}, &y), 0);
    g->outputs[0] = y;
    struct diag diag;
    ck_assert_msg(graph_check(g, &diag) == 0, "%s", diag.text);
    struct complexity c = complexity_of(g);
    ck_assert_uint_eq(c.macs, 54);
    ck_assert_uint_eq(c.effective_macs, 27);
    graph_free(g);
}
END_TEST

START_TEST(zeros_of_integers) {
    const int8_t q[] = {3, 0, 3, -3};
    struct tensor t = {.dtype = DTYPE_INT8, .kind = TENSOR_CONST, .n_dims = 1, .dims = {4}};
    t.data = q;
    t.size = 4;
    ck_assert_uint_eq(complexity_non_zeros(&t), 3);
    t.quant.zero_point = 3;
    ck_assert_uint_eq(complexity_non_zeros(&t), 2);
    /* Two to a byte, the low four bits first; the high ones of an odd end are nothing. */
    const uint8_t packed[] = {0x10, 0x0f, 0x70};
    t = (struct tensor){.dtype = DTYPE_INT4, .kind = TENSOR_CONST, .n_dims = 1, .dims = {5}};
    t.data = packed;
    t.size = 3;
    ck_assert_uint_eq(complexity_non_zeros(&t), 2);
    const int32_t wide[] = {256, 0, -1};
    t = (struct tensor){.dtype = DTYPE_INT32, .kind = TENSOR_CONST, .n_dims = 1, .dims = {3}};
    t.data = wide;
    t.size = sizeof(wide);
    ck_assert_uint_eq(complexity_non_zeros(&t), 2);
}
END_TEST

START_TEST(bytes_are_those_of_the_file) {
    float w[64 * 64];
    for (int i = 0; i < 64 * 64; i++)
        w[i] = (float)sin(i);
    struct graph *g = dense_start(64);
    dense_add(g, "w", w, NULL, 64, ACT_NONE);
    struct diag diag = {0};
    struct buffer file;
    size_t bytes = 0;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    ck_assert_int_eq(container_write(g, &file, &diag), 0);
    ck_assert_int_eq(complexity_file_bytes(g, &bytes, &diag), 0);
    ck_assert_uint_eq(bytes, file.len);
    buffer_deinit(&file);
    graph_free(g);
}
END_TEST

START_TEST(latency_is_measured) {
    struct graph *g = dense_start(2);
    struct image *image;
    struct latency l = {0};
    struct diag diag = {0};
    dense_add(g, "w", (const float[]){1, 2, 3, 4}, NULL, 2, ACT_NONE);
    ck_assert_int_eq(image_build(g, TIER_C, &image, &diag), 0);
    ck_assert_int_eq(latency_measure(image, NULL, 0, &l), 0);
    ck_assert_uint_eq(l.runs, LATENCY_MIN_RUNS);
    ck_assert(l.median_us > 0 && l.median_us <= l.p99_us);
    const float x[] = {1, 2};
    const struct dataset data = memory_dataset(x, 2, NULL, 1);
    ck_assert_int_eq(latency_measure(image, &data, 1e-3, &l), 0);
    ck_assert_uint_ge(l.runs, LATENCY_MIN_RUNS);
    image_unref(image);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("complexity");
    TCase *tc = tcase_create("complexity");
    tcase_add_test(tc, dense_by_hand);
    tcase_add_test(tc, convolution_by_hand);
    tcase_add_test(tc, zeros_of_integers);
    tcase_add_test(tc, bytes_are_those_of_the_file);
    tcase_add_test(tc, latency_is_measured);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
