/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/decimal against the C library and against its own definition.
 */

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "proto/decimal-powers.h"
#include "proto/decimal.h"

#define NUMBERS 500000
#define SEED 11

/* A power has its first bit set, and ten times one is the next: within the last place, and a half of that for the rounding
 * of each. */
START_TEST(test_powers) {
    for (int e = DECIMAL_LOW; e < DECIMAL_HIGH; e++) {
        const uint64_t *now = decimal_powers[e - DECIMAL_LOW], *next = now + 2;
        ck_assert_uint_eq(now[0] >> 63, 1);
        long double ratio = ((long double)next[0] + (long double)next[1] * 0x1p-64L) /
                            ((long double)now[0] + (long double)now[1] * 0x1p-64L);
        long double want = ratio < 1 ? 0.625L : 1.25L;
        ck_assert_msg(fabsl(ratio - want) < 1e-18L, "10^%d", e);
    }
    ck_assert_uint_eq(decimal_powers[0 - DECIMAL_LOW][0], UINT64_C(1) << 63);
    ck_assert_uint_eq(decimal_powers[0 - DECIMAL_LOW][1], 0);
}
END_TEST

static bool reads(uint64_t digits, int exponent) {
    char text[64];
    double d;
    if (!decimal_to_double(digits, exponent, &d))
        return false;
    snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, exponent);
    double want = strtod(text, NULL);
    ck_assert_msg(memcmp(&d, &want, sizeof(d)) == 0, "%s became %a, not %a", text, d, want);
    return true;
}

START_TEST(test_read_edges) {
    ck_assert(reads(0, 0));
    ck_assert(reads(0, -400));
    ck_assert(reads(1, 0));
    ck_assert(reads(UINT64_MAX, 0));
    ck_assert(reads(UINT64_MAX, 22));
    ck_assert(reads(9007199254740992, 22));
    ck_assert(reads(9007199254740992, -22));
    ck_assert(reads(9007199254740993, 0)); /* half way, to even */
    ck_assert(reads(9007199254740995, 0));
    ck_assert(reads(9007199254740993, -23));
    ck_assert(reads(17976931348623157, 29));
    ck_assert(!reads(1, DECIMAL_HIGH + 1));
    ck_assert(!reads(1, DECIMAL_LOW - 1));
    ck_assert(!reads(1, 400));
}
END_TEST

/* Numbers of every length, near every power; nearly all are decided. */
START_TEST(test_read) {
    struct random random = {.state = SEED};
    unsigned undecided = 0;
    for (int i = 0; i < NUMBERS; i++) {
        uint64_t digits = random_u64(&random) >> random_below(&random, 64);
        int exponent = (int)random_below(&random, DECIMAL_HIGH - DECIMAL_LOW + 1) + DECIMAL_LOW;
        undecided += !reads(digits, exponent);
    }
    ck_assert_msg(undecided < NUMBERS / 1000, "%u, seed %d", undecided, SEED);
}
END_TEST

/* What is half way between two doubles, and next to it. */
START_TEST(test_read_half_way) {
    struct random random = {.state = SEED};
    for (int i = 0; i < NUMBERS / 10; i++) {
        uint64_t half = (random_u64(&random) >> 11 | UINT64_C(1) << 52) << 1 | 1;
        int zeros = __builtin_clzll(half);
        half <<= random_below(&random, (uint32_t)zeros + 1);
        for (int off = -1; off <= 1; off++)
            ck_assert(reads(half + (uint64_t)off, 0));
    }
}
END_TEST

/* Seventeen digits, as other writers give a float in. */
START_TEST(test_read_back) {
    struct random random = {.state = SEED};
    for (int i = 0; i < NUMBERS / 10; i++) {
        char text[64];
        double want = (random_unit(&random) - 0.5) * pow(10, random_below(&random, 30) - 15.0), d;
        snprintf(text, sizeof(text), "%.16e", fabs(want));
        uint64_t digits =
            (uint64_t)(text[0] - '0') * 10000000000000000 + strtoull(text + 2, NULL, 10);
        int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10) - 16;
        ck_assert(decimal_to_double(digits, exponent, &d));
        ck_assert_msg(d == fabs(want), "%s", text);
    }
}
END_TEST

/* The decimal reads back, no shorter one does, and no other of that length is nearer. */
static void check_float(uint32_t bits) {
    float f;
    char text[64], want[64];
    memcpy(&f, &bits, sizeof(f));
    struct decimal d = decimal_of_float(f);
    snprintf(text, sizeof(text), "%ue%d", d.digits, d.exponent);
    ck_assert_msg(strtof(text, NULL) == f, "%a became %s", (double)f, text);
    ck_assert_msg(d.digits % 10 && d.digits < 1000000000, "%s", text);
    int n = snprintf(NULL, 0, "%u", d.digits);
    snprintf(want, sizeof(want), "%.*e", n - 1, (double)f);
    /* Below a power of two the nearest with so few digits may lie outside what rounds to it. */
    if (strtof(want, NULL) == f)
        ck_assert_msg(strtod(want, NULL) == strtod(text, NULL), "%a became %s, not %s", (double)f,
                      text, want);
    if (n == 1)
        return;
    snprintf(want, sizeof(want), "%.*e", n - 2, (double)f);
    ck_assert_msg(strtof(want, NULL) != f, "%a became %s, but %s would do", (double)f, text, want);
}

START_TEST(test_write_edges) {
    check_float(1); /* the smallest */
    check_float(0x007fffff);
    check_float(0x00800000);
    check_float(0x7f7fffff); /* the largest */
    for (uint32_t exponent = 1; exponent < 255; exponent++)
        for (int32_t off = -2; off <= 2; off++)
            check_float((exponent << 23) + (uint32_t)off);
    for (uint32_t bits = 1; bits < 2000; bits++)
        check_float(bits);
}
END_TEST

START_TEST(test_write) {
    struct random random = {.state = SEED};
    for (int i = 0; i < NUMBERS; i++)
        check_float(random_below(&random, 0x7f7fffff) + 1);
}
END_TEST

int main(void) {
    Suite *s = suite_create("decimal");
    TCase *t = tcase_create("decimal");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_powers);
    tcase_add_test(t, test_read_edges);
    tcase_add_test(t, test_read);
    tcase_add_test(t, test_read_half_way);
    tcase_add_test(t, test_read_back);
    tcase_add_test(t, test_write_edges);
    tcase_add_test(t, test_write);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
