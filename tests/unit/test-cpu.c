/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers and the tables of kernels made for them.
 */

#include <check.h>
#include <stdlib.h>

#include "kernels/cpu.h"
#include "kernels/kernels.h"

START_TEST(test_names) {
    for (unsigned t = 0; t < TIER_END; t++)
        ck_assert_int_eq(tier_parse(tier_name((enum tier)t)), t);
    ck_assert_int_eq(tier_parse("AVX2"), TIER_END);
    ck_assert_int_eq(tier_parse(""), TIER_END);
    ck_assert_ptr_null(tier_name(TIER_END));
}
END_TEST

START_TEST(test_supported) {
    ck_assert(tier_supported(TIER_C));
    ck_assert(!tier_supported(TIER_END));
    ck_assert(tier_supported(tier_best()));
    for (unsigned t = tier_best() + 1; t < TIER_END; t++)
        ck_assert(!tier_supported((enum tier)t));
    /* A bundle holds those it is built upon. */
    if (tier_supported(TIER_AMX))
        ck_assert(tier_supported(TIER_AVX512VNNI));
    if (tier_supported(TIER_AVX512VNNI) || tier_supported(TIER_AVXVNNI))
        ck_assert(tier_supported(TIER_AVX2));
    if (tier_supported(TIER_I8MM))
        ck_assert(tier_supported(TIER_DOTPROD) && tier_supported(TIER_NEON));
}
END_TEST

START_TEST(test_tables) {
    for (unsigned t = 0; t < TIER_END; t++) {
        const struct kernels *k = kernels_get((enum tier)t);
        ck_assert_int_eq(k->tier, t);
        ck_assert_ptr_eq(k, kernels_get((enum tier)t));
        const struct kern_conv any = {.out_h = 1,
                                      .out_w = 1,
                                      .in_c = 3,
                                      .out_c = 5,
                                      .kernel_h = 1,
                                      .kernel_w = 1,
                                      .group_in_c = 3};
        const struct kern_conv depthwise = {
            .in_c = 6, .out_c = 6, .group_in_c = 1, .depthwise = true};
        unsigned plain = kern_conv_choose(k->conv_s8, &any);
        unsigned deep = kern_conv_choose(k->conv_s8, &depthwise);
        ck_assert_ptr_null(k->conv_s8[plain]->refuses(&any));
        ck_assert_uint_ne(plain, deep);
        ck_assert_ptr_null(k->conv_f32[kern_conv_choose(k->conv_f32, &any)]->refuses(&any));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cpu");
    TCase *tc = tcase_create("cpu");
    tcase_add_test(tc, test_names);
    tcase_add_test(tc, test_supported);
    tcase_add_test(tc, test_tables);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
