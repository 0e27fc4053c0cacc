/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed-point arithmetic: rounding rules at their edges, and each function beside the real one it
 * stands for.
 */

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "kernels/fixedpoint.h"

static const int32_t edges[] = {
    INT32_MIN, INT32_MIN + 1, -(1 << 30), -65537,  -65536,    -3, -2, -1, 0, 1, 2,
    3,         65535,         65536,      1 << 30, INT32_MAX,
};
#define EDGES (sizeof(edges) / sizeof(edges[0]))

START_TEST(test_quantize_known) {
    static const struct {
        double multiplier;
        int32_t mult, shift;
    } known[] = {
        {0, 0, 0},
        {1, 1 << 30, 1},
        {0.5, 1 << 30, 0},
        {0.75, 1610612736, 0},
        {0.1, 1717986918, -3},
        {1 - 0x1p-33, 1 << 30, 1}, /* rounds to 2^31, is halved */
        {0x1p-32, 1 << 30, -31},   /* the smallest that is kept */
        {0x1.fffffp-33, 0, 0},     /* below it */
        {0x1p29, 1 << 30, 30},     /* the largest power */
        {0x1p30, INT32_MAX, 30},   /* above it */
        {INFINITY, INT32_MAX, 30},
        {-1, 0, 0},
        {NAN, 0, 0},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        int32_t mult, shift;
        fixedpoint_quantize(known[i].multiplier, &mult, &shift);
        ck_assert_int_eq(mult, known[i].mult);
        ck_assert_int_eq(shift, known[i].shift);
    }
}
END_TEST

START_TEST(test_quantize_precision) {
    struct random random = {1};
    for (int i = 0; i < 100000; i++) {
        double m = ldexp(0.5 + random_unit(&random) / 2, (int)random_below(&random, 60) - 30);
        int32_t mult, shift;
        fixedpoint_quantize(m, &mult, &shift);
        ck_assert_int_ge(mult, 1 << 30);
        ck_assert(fabs(ldexp(mult, shift - 31) / m - 1) <= 0x1p-31);
    }
}
END_TEST

/* floor(x * mult / 2^right + 1/2) in 128 bits. */
static int32_t multiply(int32_t x, int32_t mult, int right) {
    __int128 sum = (__int128)x * mult + ((__int128)1 << (right - 1));
    return (int32_t)(sum >> right);
}

START_TEST(test_multiply) {
    for (size_t i = 0; i < EDGES; i++) {
        for (size_t j = 0; j < EDGES; j++) {
            for (int shift = -31; shift <= 30; shift++)
                ck_assert_int_eq(fixedpoint_multiply(edges[i], edges[j], shift),
                                 multiply(edges[i], edges[j], 31 - shift));
        }
    }
    /* halves go up */
    ck_assert_int_eq(fixedpoint_multiply(3, 1 << 30, 0), 2);
    ck_assert_int_eq(fixedpoint_multiply(-3, 1 << 30, 0), -1);
}
END_TEST

START_TEST(test_high_mul) {
    ck_assert_int_eq(fixedpoint_high_mul(INT32_MIN, INT32_MIN), INT32_MAX);
    for (size_t i = 0; i < EDGES; i++) {
        for (size_t j = 0; j < EDGES; j++) {
            if (edges[i] != INT32_MIN || edges[j] != INT32_MIN)
                ck_assert_int_eq(fixedpoint_high_mul(edges[i], edges[j]),
                                 multiply(edges[i], edges[j], 31));
        }
    }
}
END_TEST

START_TEST(test_round_shift) {
    for (size_t i = 0; i < EDGES; i++) {
        for (int n = 0; n <= 40; n++) {
            /* round() takes halves away from zero; exact in double */
            double expected = round(ldexp(edges[i], -n));
            if (n <= 31)
                ck_assert(fixedpoint_round_shift(edges[i], n) == expected);
            else
                ck_assert_int_eq(fixedpoint_round_shift(edges[i], n), 0);
        }
    }
    for (int32_t x = -70000; x <= 70000; x++) {
        ck_assert(fixedpoint_round_shift(x, 3) == round(x / 8.0));
        ck_assert(fixedpoint_round_shift(x, 16) == round(x / 65536.0));
    }
}
END_TEST

START_TEST(test_exp) {
    for (int bits = 0; bits <= 5; bits++) {
        double worst = 0;
        for (int64_t a = -((int64_t)1 << 31); a < 0; a += 99991) {
            double real = exp(ldexp((double)a, -(31 - bits)));
            double got = fixedpoint_exp_neg((int32_t)a, bits) / 2147483648.0;
            worst = fmax(worst, fabs(got - real));
        }
        ck_assert_msg(worst < 1e-6, "Q%d: %g", bits, worst);
        ck_assert_int_eq(fixedpoint_exp_neg(0, bits), INT32_MAX);
    }
    /* with 6 integer bits everything below -32 is 0 */
    ck_assert_int_eq(fixedpoint_exp_neg(INT32_MIN, 6), 0);
    ck_assert_int_eq(fixedpoint_exp_neg(-(33 << 25) + 1, 6), 0);
}
END_TEST

START_TEST(test_reciprocal) {
    for (int64_t a = 0; a < (int64_t)1 << 31; a += 65521) {
        double real = 1 / (1 + (double)a / 2147483648.0);
        double got = fixedpoint_recip_one_plus((int32_t)a) / 2147483648.0;
        ck_assert(fabs(got - real) < 1e-8);
    }
}
END_TEST

START_TEST(test_logistic_tanh) {
    for (int64_t a = -((int64_t)1 << 31) + 1; a < (int64_t)1 << 31; a += 131071) {
        double x = ldexp((double)a, -27);
        ck_assert(fabs(fixedpoint_logistic((int32_t)a, 4) / 2147483648.0 - 1 / (1 + exp(-x))) <
                  1e-6);
        ck_assert(fabs(fixedpoint_tanh((int32_t)a, 4) / 2147483648.0 - tanh(x)) < 2e-6);
        ck_assert_int_eq(fixedpoint_tanh((int32_t)a, 4), -fixedpoint_tanh((int32_t)-a, 4));
    }
    ck_assert_int_eq(fixedpoint_logistic(0, 4), 1 << 30);
    ck_assert_int_eq(fixedpoint_tanh(0, 4), 0);
}
END_TEST

START_TEST(test_s16) {
    int16_t last_logistic = 0, last_tanh = INT16_MIN;
    for (int32_t x = INT16_MIN; x <= INT16_MAX; x++) {
        const int16_t l = fixedpoint_logistic_s16((int16_t)x);
        const int16_t t = fixedpoint_tanh_s16((int16_t)x, 0, 0);
        ck_assert(fabs(l / 32768.0 - 1 / (1 + exp(-x / 4096.0))) < 1.5e-4);
        ck_assert(fabs(t / 32768.0 - tanh(x / 4096.0)) < 4e-4);
        ck_assert_int_ge(l, last_logistic);
        ck_assert_int_ge(t, last_tanh);
        /* the same argument in another format: multiplied by 3 / 2^1, it is half the scale */
        if (x % 2 == 0)
            ck_assert_int_eq(fixedpoint_tanh_s16((int16_t)x, 3, 1),
                             fixedpoint_tanh_s16((int16_t)(x / 2), 0, 0));
        if (x >= INT16_MIN / 2 && x <= INT16_MAX / 2)
            ck_assert_int_eq(fixedpoint_tanh_s16((int16_t)x, 0, 1),
                             fixedpoint_tanh_s16((int16_t)(x * 2), 0, 0));
        last_logistic = l;
        last_tanh = t;
    }
    ck_assert_int_eq(fixedpoint_logistic_s16(0), 16384);
    ck_assert_int_eq(fixedpoint_tanh_s16(0, 0, 0), 0);
}
END_TEST

typedef void (*lut_fn)(const struct fixedpoint_lut *p, uint8_t ret_table[256]);

static double relu_n1_to_1(double x) {
    return fmin(fmax(x, -1), 1);
}

static double relu6(double x) {
    return fmin(fmax(x, 0), 6);
}

static double relu(double x) {
    return fmax(x, 0);
}

static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static double leaky(double x) {
    return x < 0 ? x * (double)0.3F : x;
}

static void lut_leaky(const struct fixedpoint_lut *p, uint8_t ret_table[256]) {
    fixedpoint_lut_leaky_relu(p, 0.3F, ret_table);
}

/* Within a step of the real function, both ends of the range included. */
static void compare_lut(lut_fn make, double (*real)(double), const struct fixedpoint_lut *p) {
    uint8_t table[256];
    make(p, table);
    for (int32_t q = -128; q <= 127; q++) {
        double y = real((double)p->in_scale * (q - p->in_zero)) / (double)p->out_scale;
        y = fmin(fmax(y + p->out_zero, -128), 127);
        ck_assert_msg(fabs((int8_t)table[(uint8_t)q] - y) < 1.01, "q %d: %d, real %g", q,
                      (int8_t)table[(uint8_t)q], y);
    }
}

START_TEST(test_luts) {
    static const float scales[] = {0.002F, 0.0078125F, 0.05F, 0.1F, 0.5F, 3};
    static const int32_t zeros[] = {-128, -5, 0, 17, 127};
    for (size_t s = 0; s < sizeof(scales) / sizeof(scales[0]); s++) {
        for (size_t z = 0; z < sizeof(zeros) / sizeof(zeros[0]); z++) {
            struct fixedpoint_lut p = {scales[s], 1.0F / 256, zeros[z], -128};
            compare_lut(fixedpoint_lut_logistic, logistic, &p);
            p = (struct fixedpoint_lut){scales[s], 1.0F / 128, zeros[z], 0};
            compare_lut(fixedpoint_lut_tanh, tanh, &p);
            p = (struct fixedpoint_lut){scales[s], scales[s] * 0.7F, zeros[z], zeros[4 - z]};
            compare_lut(fixedpoint_lut_relu, relu, &p);
            compare_lut(fixedpoint_lut_relu_n1_to_1, relu_n1_to_1, &p);
            compare_lut(lut_leaky, leaky, &p);
            p = (struct fixedpoint_lut){scales[s], scales[s], zeros[z], zeros[z]};
            compare_lut(fixedpoint_lut_relu6, relu6, &p);
        }
    }
}
END_TEST

START_TEST(test_lut_extremes) {
    static const float scales[] = {1e-30F, 1e-8F, 15, 16, 1e6F, 1e30F};
    for (size_t s = 0; s < sizeof(scales) / sizeof(scales[0]); s++) {
        const struct fixedpoint_lut p = {scales[s], 1.0F / 128, 3, 0};
        uint8_t table[256];
        fixedpoint_lut_tanh(&p, table);
        const bool flat = scales[s] < 1e-6F;
        ck_assert_int_eq((int8_t)table[127], flat ? 0 : 127);
        ck_assert_int_eq((int8_t)table[128], flat ? 0 : -128);
        fixedpoint_lut_logistic(&p, table);
        ck_assert_int_eq((int8_t)table[127], flat ? 0 : 127);
        ck_assert_int_eq((int8_t)table[128], flat ? 0 : -128);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fixedpoint");
    TCase *tc = tcase_create("fixedpoint");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_quantize_known);
    tcase_add_test(tc, test_quantize_precision);
    tcase_add_test(tc, test_multiply);
    tcase_add_test(tc, test_high_mul);
    tcase_add_test(tc, test_round_shift);
    tcase_add_test(tc, test_exp);
    tcase_add_test(tc, test_reciprocal);
    tcase_add_test(tc, test_logistic_tanh);
    tcase_add_test(tc, test_s16);
    tcase_add_test(tc, test_luts);
    tcase_add_test(tc, test_lut_extremes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
