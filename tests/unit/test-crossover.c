/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/crossover.h: the file, its errors, and that a measured file reads back.
 */

#include "runtime/crossover.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "runtime/sparse-time.h"

static int parse(const char *text, struct crossovers *ret, struct diag *diag) {
    return crossover_parse("f", text, strlen(text), ret, diag);
}

START_TEST(test_values) {
    struct crossovers c;
    struct diag diag;
    ck_assert_int_eq(parse("# x\n\n[c]\ns8-vector-1x1 = 0.25\n [neon]\r\nf32-many-8x1=1\n"
                           "s8-many-4x1 = 0",
                           &c, &diag),
                     0);
    ck_assert_float_eq(c.value[TIER_C][SPARSE_S8_VECTOR][KERN_SINGLES], 0.25F);
    ck_assert_float_eq(c.value[TIER_NEON][SPARSE_F32_MANY][KERN_BLOCKS_8], 1);
    ck_assert_float_eq(c.value[TIER_NEON][SPARSE_S8_MANY][KERN_BLOCKS_4], 0);
    ck_assert_float_eq(c.value[TIER_C][SPARSE_S8_MANY][KERN_BLOCKS_4], -1);
}
END_TEST

START_TEST(test_errors) {
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"\n[sse9]\n", "f:2: '[sse9]' is not a CPU tier in brackets"},
        {"[c\n", "f:1: '[c' is not a CPU tier in brackets"},
        {"s8-vector-1x1 = 0.5\n", "f:1: a value before the first [tier]"},
        {"[c]\nhello\n", "f:2: neither a [tier] nor kind-pattern = density nor a comment"},
        {"[c]\ns8-vector-2x1 = 0.5\n",
         "f:2: 's8-vector-2x1' is no kind of product and pattern, like s8-vector-4x1"},
        {"[c]\ns8-vector-1x1 = 1.01\n", "f:2: '1.01' is not a density from 0 to 1"},
        {"[c]\ns8-vector-1x1 = -1\n", "f:2: '-1' is not a density from 0 to 1"},
        {"[c]\ns8-vector-1x1 = \n", "f:2: '' is not a density from 0 to 1"},
        {"[c]\ns8-vector-1x1 = 0..5\n", "f:2: '0..5' is not a density from 0 to 1"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct crossovers c;
        struct diag diag;
        ck_assert_int_eq(parse(rows[i].text, &c, &diag), CROSSOVER_E_INVALID);
        ck_assert_str_eq(diag.text, rows[i].message);
    }
}
END_TEST

START_TEST(test_load) {
    char path[] = "/tmp/edged-test-crossover.XXXXXX";
    struct diag diag;
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    static const char text[] = "[c]\nf32-vector-1x1 = 0.75\n";
    ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    const float before = sparse_crossover(TIER_C, SPARSE_F32_VECTOR, KERN_SINGLES);
    ck_assert_int_eq(crossover_load(path, &diag), 0);
    ck_assert_float_eq(sparse_crossover(TIER_C, SPARSE_F32_VECTOR, KERN_SINGLES), 0.75F);
    sparse_set_crossover(TIER_C, SPARSE_F32_VECTOR, KERN_SINGLES, before);
    unlink(path);
    ck_assert_int_eq(crossover_load(path, &diag), 0);
}
END_TEST

START_TEST(test_measured) {
    struct sparse_time t;
    const struct sparse_case c = {
        .shape = kern_conv_product(1, 64, 64), .density = 0.1, .seed = 1, .pattern = KERN_SINGLES};
    ck_assert_int_eq(sparse_time(TIER_C, &c, 3, 10, &t), 0);
    ck_assert_str_eq(t.sparse, "sparse_s8_1x16_c");
    ck_assert(t.dense_us > 0 && t.sparse_us > 0 && t.ratio > 0);
    struct sparse_case none = c;
    none.pattern = KERN_BLOCKS_8;
    ck_assert_int_eq(sparse_time(TIER_C, &none, 3, 10, &t), SPARSE_E_NONE);
}
END_TEST

START_TEST(test_written) {
    struct crossover_result results[SPARSE_KIND_END][KERN_PATTERN_END] = {0};
    char text[CROSSOVER_TEXT_MAX];
    struct crossovers c;
    struct diag diag;
    results[SPARSE_S8_MANY][KERN_BLOCKS_8].crossover = 0.62F;
    crossover_format(TIER_AVX512VNNI, results, text);
    ck_assert_int_eq(parse(text, &c, &diag), 0);
    ck_assert_float_eq_tol(c.value[TIER_AVX512VNNI][SPARSE_S8_MANY][KERN_BLOCKS_8], 0.62F, 1e-6F);
    ck_assert_float_eq(c.value[TIER_AVX512VNNI][SPARSE_F32_MANY][KERN_BLOCKS_4], 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crossover");
    TCase *tcase = tcase_create("crossover");
    tcase_add_test(tcase, test_values);
    tcase_add_test(tcase, test_errors);
    tcase_add_test(tcase, test_load);
    tcase_add_test(tcase, test_measured);
    tcase_add_test(tcase, test_written);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
