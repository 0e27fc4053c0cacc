/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of merit, numbers from the command line, and how figures are shown.
 */

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/edgectl/args.h"
#include "client/edgectl/progress.h"
#include "client/edgectl/table.h"
#include "compress/score.h"

START_TEST(test_argmax) {
    ck_assert_uint_eq(score_argmax(DTYPE_INT8, (int8_t[]){-5, 3, 3, -128}, 4), 1);
    ck_assert_uint_eq(score_argmax(DTYPE_UINT8, (uint8_t[]){5, 200, 3}, 3), 1);
    ck_assert_uint_eq(score_argmax(DTYPE_INT16, (int16_t[]){-300, -300}, 2), 0);
    ck_assert_uint_eq(score_argmax(DTYPE_INT32, (int32_t[]){1, 2, 70000}, 3), 2);
    ck_assert_uint_eq(score_argmax(DTYPE_INT64, (int64_t[]){1, INT64_MAX}, 2), 1);
    ck_assert_uint_eq(score_argmax(DTYPE_FP32, (float[]){NAN, 1, NAN, 2, 2}, 5), 3);
    ck_assert_uint_eq(score_argmax(DTYPE_FP32, (float[]){NAN, NAN}, 2), 0);
    ck_assert_uint_eq(score_argmax(DTYPE_FP64, (double[]){-1, -INFINITY}, 2), 0);
}
END_TEST

START_TEST(test_confusion) {
    struct score_confusion c;
    ck_assert_int_eq(score_confusion_init(&c, 0), -EINVAL);
    ck_assert_int_eq(score_confusion_init(&c, SCORE_MAX_CLASSES + 1), -EINVAL);
    ck_assert_int_eq(score_confusion_init(&c, 3), 0);
    for (int i = 0; i < 6; i++)
        score_confusion_add(&c, 0, i < 4 ? 0 : 1);
    score_confusion_add(&c, 1, 1);
    ck_assert_uint_eq(c.n, 7);
    ck_assert_uint_eq(c.correct, 5);
    ck_assert_uint_eq(score_confusion_get(&c, 0, 1), 2);
    struct score_class s = score_class(&c, 0);
    ck_assert_uint_eq(s.support, 6);
    ck_assert_uint_eq(s.said, 4);
    ck_assert_double_eq(s.precision, 1);
    ck_assert_double_eq_tol(s.recall, 4.0 / 6, 1e-15);
    ck_assert_double_eq_tol(s.f1, 0.8, 1e-15);
    /* A class that never occurs has no figures. */
    s = score_class(&c, 2);
    ck_assert_double_eq(s.f1, 0);
    ck_assert_double_eq(s.precision, 0);
    score_confusion_deinit(&c);
}
END_TEST

START_TEST(test_auc) {
    size_t order[6];
    /* Of 3 x 3 pairs the positive is above in 6 and equal in 2. */
    const double scores[] = {0.1, 0.4, 0.4, 0.4, 0.8, 0.9};
    const uint8_t positive[] = {0, 0, 1, 0, 1, 1};
    ck_assert_double_eq_tol(score_auc(scores, positive, 6, order), 8.0 / 9, 1e-15);
    ck_assert_double_eq(score_auc(scores, (uint8_t[]){0, 0, 0, 1, 1, 1}, 6, order) < 1, 1);
    ck_assert_double_eq(score_auc(scores, (uint8_t[]){0, 1, 1, 1, 1, 1}, 6, order), 1);
    ck_assert_double_eq(score_auc(scores, (uint8_t[]){1, 0, 0, 0, 0, 0}, 6, order), 0);
    ck_assert(isnan(score_auc(scores, (uint8_t[]){1, 1, 1, 1, 1, 1}, 6, order)));
    ck_assert(isnan(score_auc(scores, (uint8_t[]){0, 0, 0, 0, 0, 0}, 6, order)));
}
END_TEST

START_TEST(test_counts) {
    uint32_t n = 7;
    ck_assert(args_read_count("0", 0, 10, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(args_read_count("4294967295", 0, UINT32_MAX, &n));
    ck_assert_uint_eq(n, UINT32_MAX);
    ck_assert(args_read_count("010", 1, 10, &n));
    ck_assert_uint_eq(n, 10);
    static const char *const refused[] = {"",    " 1",  "1 ", "-1", "+1",
                                          "0x1", "1.0", "11", "0",  "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        ck_assert_msg(!args_read_count(refused[i], 1, 10, &n), "'%s'", refused[i]);
    ck_assert_uint_eq(n, 10);
}
END_TEST

START_TEST(test_seconds) {
    double s = 7;
    ck_assert(args_read_seconds("0.25", 10, &s));
    ck_assert_double_eq(s, 0.25);
    ck_assert(args_read_seconds("1e1", 10, &s));
    ck_assert_double_eq(s, 10);
    static const char *const refused[] = {"",    "0",  "-1",   "inf",   "nan", " 1",    "1s",
                                          "0x1", "1e", "10.5", "1.2.3", "e",   "1e-999"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        ck_assert_msg(!args_read_seconds(refused[i], 10, &s), "'%s'", refused[i]);
    ck_assert_double_eq(s, 10);
}
END_TEST

START_TEST(test_human) {
    char s[HUMAN_MAX];
    ck_assert_str_eq(human_bytes(1023, s), "1023 B");
    ck_assert_str_eq(human_bytes(1536, s), "1.5 KiB");
    ck_assert_str_eq(human_bytes(5 << 20, s), "5.0 MiB");
    ck_assert_str_eq(human_bytes(UINT64_MAX, s), "16777216.0 TiB");
    ck_assert_str_eq(human_count(0, s), "0");
    ck_assert_str_eq(human_count(999, s), "999");
    ck_assert_str_eq(human_count(1000, s), "1,000");
    ck_assert_str_eq(human_count(UINT64_MAX, s), "18,446,744,073,709,551,615");
    ck_assert_str_eq(human_ns(1500, s), "1.5 µs");
    ck_assert_str_eq(human_ns(2.5e6, s), "2.50 ms");
    ck_assert_str_eq(human_ns(3e9, s), "3.00 s");
    ck_assert_uint_eq(human_width("1.5 µs"), 6);
}
END_TEST

START_TEST(test_progress) {
    char line[128];
    progress_format("eval", 25, 100, 10000000000U, 128, line, sizeof(line));
    ck_assert_str_eq(line, "eval [#######.......................]  25 %  0:30 left");
    progress_format("eval", 100, 100, 10000000000U, 128, line, sizeof(line));
    ck_assert_str_eq(line, "eval [##############################] 100 %  0:00 left");
    /* Never wider than the terminal. */
    progress_format("eval", 0, 100, 0, 20, line, sizeof(line));
    ck_assert_uint_eq(strlen(line), 19);
    struct progress p;
    progress_init(&p, "quick", 2);
    p.on = true;
    progress_update(&p, 1);
    ck_assert(!p.shown);
    progress_end(&p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("score");
    TCase *tc = tcase_create("score");
    tcase_add_test(tc, test_argmax);
    tcase_add_test(tc, test_confusion);
    tcase_add_test(tc, test_auc);
    tcase_add_test(tc, test_counts);
    tcase_add_test(tc, test_seconds);
    tcase_add_test(tc, test_human);
    tcase_add_test(tc, test_progress);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
