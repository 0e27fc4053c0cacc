/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting what pruning left, and when a sparse kernel is taken.
 */

#include "kernels/sparse.h"

#include <check.h>
#include <stdlib.h>

#include "base/attributes.h"

#define OUT_C 10
#define DEPTH 6

/* Three weights: two of one block of four, one of the last, cut block. */
static const int8_t filter[OUT_C][DEPTH] = {[0] = {0, 1}, [3] = {0, -1}, [9] = {0, 0, 0, 0, 0, 7}};

START_TEST(test_densities) {
    struct kern_conv p = kern_conv_product(1, DEPTH, OUT_C);
    sparse_look(&p, filter, false, TIER_C);
    ck_assert_float_eq_tol(p.sparsity.density[KERN_SINGLES], 3.0F / 60, 1e-6F);
    ck_assert_float_eq_tol(p.sparsity.density[KERN_BLOCKS_4], 2.0F / 18, 1e-6F);
    ck_assert_float_eq_tol(p.sparsity.density[KERN_BLOCKS_8], 2.0F / 12, 1e-6F);
    float real[OUT_C][DEPTH];
    for (size_t i = 0; i < (size_t)OUT_C * DEPTH; i++)
        real[i / DEPTH][i % DEPTH] = filter[i / DEPTH][i % DEPTH];
    real[5][5] = -0.0F;
    struct kern_conv q = kern_conv_product(1, DEPTH, OUT_C);
    sparse_look(&q, real, true, TIER_C);
    for (unsigned i = 0; i < KERN_PATTERN_END; i++)
        ck_assert_float_eq(p.sparsity.density[i], q.sparsity.density[i]);
}
END_TEST

START_TEST(test_not_for_all) {
    struct kern_conv p = kern_conv_product(1, DEPTH, OUT_C);
    p.weight_zero = 3;
    sparse_look(&p, filter, false, TIER_C);
    ck_assert_float_eq(p.sparsity.crossover[KERN_SINGLES], 0);
    p.weight_zero = 0;
    p.depthwise = true;
    sparse_look(&p, filter, false, TIER_C);
    ck_assert_float_eq(p.sparsity.crossover[KERN_SINGLES], 0);
    ck_assert_str_eq(sparse_refuses(&p, KERN_SINGLES), "");
}
END_TEST

START_TEST(test_kinds) {
    struct kern_conv p = kern_conv_product(SPARSE_MANY - 1, DEPTH, OUT_C);
    ck_assert_int_eq(sparse_kind_of(&p, false), SPARSE_S8_VECTOR);
    ck_assert_int_eq(sparse_kind_of(&p, true), SPARSE_F32_VECTOR);
    p.out_w = SPARSE_MANY;
    ck_assert_int_eq(sparse_kind_of(&p, false), SPARSE_S8_MANY);
    ck_assert_int_eq(sparse_kind_of(&p, true), SPARSE_F32_MANY);
}
END_TEST

START_TEST(test_crossover) {
    struct kern_conv p = kern_conv_product(1, DEPTH, OUT_C);
    p.sparsity = (struct kern_sparsity){.density = {0.4F, 0.6F, 0.7F}};
    ck_assert_str_eq(sparse_refuses(&p, KERN_SINGLES), "");
    p.sparsity.crossover[KERN_SINGLES] = 0.3F;
    ck_assert_str_eq(sparse_refuses(&p, KERN_SINGLES),
                     "density 0.40 is above the crossover 0.30 of single weights");
    p.sparsity.crossover[KERN_SINGLES] = 0.4F;
    ck_assert_ptr_null(sparse_refuses(&p, KERN_SINGLES));
    /* the pattern that is farthest below its crossover wins */
    p.sparsity.crossover[KERN_BLOCKS_8] = 0.8F;
    ck_assert_ptr_null(sparse_refuses(&p, KERN_BLOCKS_8));
    ck_assert_str_eq(sparse_refuses(&p, KERN_SINGLES), "8x1 blocks are faster");
    p.sparsity.density[KERN_SINGLES] = 0.1F;
    ck_assert_ptr_null(sparse_refuses(&p, KERN_SINGLES));
    ck_assert_str_eq(sparse_refuses(&p, KERN_BLOCKS_8), "single weights are faster");
}
END_TEST

START_TEST(test_dense_is_not_mentioned) {
    struct kern_conv p = kern_conv_product(1, DEPTH, OUT_C);
    p.sparsity = (struct kern_sparsity){.density = {0.95F, 1, 1}, .crossover = {0.3F, 0.3F, 0.3F}};
    ck_assert_str_eq(sparse_refuses(&p, KERN_SINGLES), "");
}
END_TEST

START_TEST(test_few_weights) {
    static int8_t many[128][1024];
    struct kern_conv p = kern_conv_product(1, DEPTH, OUT_C);
    p.out_c = ARRAY_SIZE(many);
    p.in_c = p.group_in_c = ARRAY_SIZE(many[0]) - 1;
    sparse_look(&p, many, false, TIER_C);
    ck_assert_str_eq(sparse_refuses(&p, KERN_SINGLES), "fewer than 131072 weights");
    p.in_c = p.group_in_c = ARRAY_SIZE(many[0]);
    sparse_look(&p, many, false, TIER_C);
    ck_assert_ptr_null(sparse_refuses(&p, KERN_SINGLES));
    p.in_c = p.group_in_c = ARRAY_SIZE(many[0]) - 1;
    p.out_w = p.in_w = SPARSE_MANY;
    sparse_look(&p, many, false, TIER_C);
    ck_assert_ptr_null(sparse_refuses(&p, KERN_SINGLES));
}
END_TEST

START_TEST(test_replaced) {
    const float before = sparse_crossover(TIER_C, SPARSE_S8_VECTOR, KERN_SINGLES);
    sparse_set_crossover(TIER_C, SPARSE_S8_VECTOR, KERN_SINGLES, 0.125F);
    struct kern_conv p = kern_conv_product(1, DEPTH, OUT_C);
    sparse_look(&p, filter, false, TIER_C);
    ck_assert_float_eq(p.sparsity.crossover[KERN_SINGLES], 0.125F);
    sparse_set_crossover(TIER_C, SPARSE_S8_VECTOR, KERN_SINGLES, before);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sparse");
    TCase *tcase = tcase_create("sparse");
    tcase_add_test(tcase, test_densities);
    tcase_add_test(tcase, test_not_for_all);
    tcase_add_test(tcase, test_kinds);
    tcase_add_test(tcase, test_crossover);
    tcase_add_test(tcase, test_dense_is_not_mentioned);
    tcase_add_test(tcase, test_few_weights);
    tcase_add_test(tcase, test_replaced);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
