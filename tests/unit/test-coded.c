/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model/coded: every form of a piece is chosen where it is the smallest and gives the same bytes back; pieces that lie are
 * refused.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "model/coded.h"
#include "model/graph.h"

#define SEED 4711
#define N 20000

static struct random rnd;
static struct coded_decoder *decoder;

static void setup(void) {
    rnd = (struct random){.state = SEED};
    ck_assert_int_eq(coded_decoder_new(&decoder), 0);
}

static void teardown(void) {
    decoder = coded_decoder_free(decoder);
}

static float bell(void) {
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += random_unit(&rnd);
    return (float)sum;
}

/* Into memory that is zero. */
static int decode(const struct buffer *b, size_t len, size_t size, uint8_t **ret_out,
                  struct diag *diag) {
    *ret_out = calloc(size, 1);
    return coded_decode(decoder, b->data, len, *ret_out, size, diag);
}

/* One piece after a gap and before another, whose method begins with `method`; its stored bytes. */
static size_t check_piece(const void *data, size_t n, unsigned width, const char *method) {
    struct buffer b;
    struct diag diag = {.text = ""};
    uint8_t *out;
    const size_t gap = 12, size = gap + n * width + 1;
    buffer_init(&b, SIZE_MAX / 2);
    ck_assert_int_eq(coded_put_piece(&b, gap, data, n, width), 0);
    struct coded_walk walk = {.c = {b.data, b.data + b.len, false}};
    struct coded_piece piece;
    ck_assert(coded_next(&walk, size, &piece));
    ck_assert_uint_eq(piece.offset, gap);
    ck_assert_uint_eq(piece.n, n);
    ck_assert_uint_eq(piece.width, width);
    ck_assert_uint_eq(piece.stored, b.len);
    ck_assert_msg(strncmp(coded_method(&piece), method, strlen(method)) == 0, "%s, not %s",
                  coded_method(&piece), method);
    ck_assert_int_eq(coded_put_piece(&b, 0, (const uint8_t *)"\x55", 1, 1), 0);
    int r = decode(&b, b.len, size, &out, &diag);
    ck_assert_msg(r == 0, "%s", diag.text);
    for (size_t i = 0; i < gap; i++)
        ck_assert_uint_eq(out[i], 0);
    ck_assert_mem_eq(out + gap, data, n * width);
    ck_assert_uint_eq(out[gap + n * width], 0x55);
    free(out);
    buffer_deinit(&b);
    return piece.stored;
}

START_TEST(test_plain) {
    static uint64_t noise[N];
    for (size_t i = 0; i < N; i++)
        noise[i] = random_u64(&rnd);
    for (unsigned width = 1; width <= 8; width *= 2)
        ck_assert_uint_le(check_piece(noise, N, width, "plain"), N * width + 8);
    ck_assert_uint_eq(check_piece("\x80", 1, 1, "plain"), 5);
    /* Not a number with a payload, minus zero. */
    const uint32_t bits[] = {0x7fc12345, 0x80000000, 0xffabcdef, 0x00000001};
    check_piece(bits, 4, 4, "plain");
}
END_TEST

START_TEST(test_entropy) {
    static float weights[N];
    static int8_t narrow[N];
    static int16_t medium[N];
    for (size_t i = 0; i < N; i++) {
        weights[i] = bell() / 30;
        narrow[i] = (int8_t)(bell() * 20);
        medium[i] = (int16_t)(bell() * 3000);
    }
    ck_assert_uint_lt(check_piece(weights, N, 4, "entropy"), sizeof(weights) * 86 / 100);
    ck_assert_uint_lt(check_piece(narrow, N, 1, "entropy"), sizeof(narrow) * 82 / 100);
    ck_assert_uint_lt(check_piece(medium, N, 2, "entropy"), sizeof(medium) * 86 / 100);
}
END_TEST

START_TEST(test_codebook) {
    static float weights[N];
    float table[32];
    for (size_t i = 0; i < 32; i++)
        table[i] = bell();
    for (size_t i = 0; i < N; i++)
        weights[i] = table[random_below(&rnd, 32)];
    /* Five bits each, 32 floats. */
    ck_assert_uint_le(check_piece(weights, N, 4, "codebook"), N * 5 / 8 + 128 + 48);
    static float wide[N];
    static const unsigned sizes[] = {256, 257, 1000};
    for (size_t s = 0; s < 3; s++) {
        for (size_t i = 0; i < N; i++)
            wide[i] = ldexpf((float)random_below(&rnd, sizes[s]) + 70001, -11) / 3;
        ck_assert_uint_lt(check_piece(wide, N, 4, "codebook"), sizeof(wide) / 2);
    }
}
END_TEST

/* Every `step`-th element is one of 31 floats, the others zero. */
static void check_sparse(size_t step) {
    static float weights[N];
    float table[31];
    for (size_t i = 0; i < 31; i++)
        table[i] = bell();
    memset(weights, 0, sizeof(weights));
    for (size_t i = step - 1; i < N; i += step)
        weights[i] = table[random_below(&rnd, 31)];
    check_piece(weights, N, 4, "sparse");
}

START_TEST(test_sparse) {
    static float weights[N];
    static int8_t narrow[N];
    size_t kept = 0;
    memset(weights, 0, sizeof(weights));
    ck_assert_uint_le(check_piece(weights, N, 4, "sparse plain"), 10);
    bool keep = false;
    for (size_t i = 0; i < N; i++) { /* rows of 50, of which one in ten is there */
        keep = i % 50 ? keep : random_below(&rnd, 10) == 0;
        kept += keep;
        weights[i] = keep ? bell() + 20 : 0;
        narrow[i] = (int8_t)(keep ? bell() * 20 : 0);
    }
    ck_assert_uint_lt(check_piece(weights, N, 4, "sparse entropy"), kept * 4 * 9 / 10);
    ck_assert_uint_lt(check_piece(narrow, N, 1, "sparse entropy"), kept);
    static const size_t steps[] = {20, 255, 256, 257, 511, 512, 513, N};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        check_sparse(steps[i]);
    /* Minus zero is no zero. */
    for (size_t i = 0; i < N; i++)
        weights[i] = i % 50 ? 0.0F : -0.0F;
    check_piece(weights, N, 4, "sparse");
}
END_TEST

START_TEST(test_zstd) {
    static uint8_t bytes[N];
    for (size_t i = 0; i < N; i++)
        bytes[i] = i < 100 ? (uint8_t)random_u64(&rnd) : bytes[i - 100];
    ck_assert_uint_lt(check_piece(bytes, N, 1, "zstd"), 150);
    ck_assert_uint_lt(check_piece(bytes, N / 4, 4, "zstd"), 150);
}
END_TEST

/* A segment with a piece of every form. */
static struct buffer all_forms(size_t *ret_size) {
    static const char *const methods[] = {"plain", "entropy", "codebook", "sparse codebook",
                                          "zstd"};
    enum { COUNT = 3000 };
    static float data[5][COUNT];
    struct buffer b;
    float table[32];
    for (size_t i = 0; i < 32; i++)
        table[i] = bell();
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t noise = (uint32_t)random_u64(&rnd);
        memcpy(&data[0][i], &noise, sizeof(noise));
        data[1][i] = bell();
        data[2][i] = table[random_below(&rnd, 32)];
        data[3][i] = i / 50 % 4 ? 0 : table[random_below(&rnd, 8)];
        data[4][i] = data[0][i % 50];
    }
    buffer_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        ck_assert_int_eq(coded_put_piece(&b, 4, (const uint8_t *)data[i], COUNT, 4), 0);
    *ret_size = ARRAY_SIZE(methods) * (4 + sizeof(data[0]));
    struct coded_walk walk = {.c = {b.data, b.data + b.len, false}};
    struct coded_piece piece;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        ck_assert(coded_next(&walk, *ret_size, &piece));
        ck_assert_str_eq(coded_method(&piece), methods[i]);
    }
    return b;
}

static void expect_refused(const struct buffer *b, size_t len, size_t size, const char *says) {
    struct diag diag = {.text = ""};
    uint8_t *out;
    ck_assert_int_eq(decode(b, len, size, &out, &diag), MODEL_E_INVALID);
    ck_assert_msg(strstr(diag.text, says), "'%s' does not say '%s'", diag.text, says);
    free(out);
}

START_TEST(test_damage) {
    size_t size, refused = 0;
    struct buffer b = all_forms(&size);
    expect_refused(&b, b.len, size - 1, "piece 4: malformed");
    expect_refused(&b, b.len, size + 1, "its pieces end at byte");
    for (size_t len = 0; len < b.len; len += 1 + len / 64)
        expect_refused(&b, len, size, len < 12010 ? "p" : "piece");
    for (size_t i = 0; i < b.len; i += i < 12 ? 1 : 1 + random_below(&rnd, 40)) {
        struct diag diag = {.text = ""};
        uint8_t *out, bit = (uint8_t)(1U << random_below(&rnd, 8));
        b.data[i] ^= bit;
        int r = decode(&b, b.len, size, &out, &diag);
        ck_assert(r == 0 || (r == MODEL_E_INVALID && diag.text[0]));
        refused += r != 0;
        free(out);
        b.data[i] ^= bit;
    }
    ck_assert_uint_gt(refused, 50);
    buffer_deinit(&b);
}
END_TEST

struct malformed {
    const char *bytes;
    size_t len, size;
    const char *says;
};

#define BYTES(s) s, sizeof(s) - 1

START_TEST(test_malformed) {
    static const struct malformed cases[] = {
        {BYTES("\x00\x00\x00\x00"), 4, "piece 0: malformed"},                /* no elements */
        {BYTES("\x00\x00\x04\x04 abc"), 5, "its pieces end at byte 4 of 5"}, /* short */
        {BYTES("\x01\x00\x04\x04 abc"), 4, "piece 0: malformed"},            /* the gap */
        {BYTES("\x00\x02\x02\x04 abc"), 4, "piece 0: malformed"},            /* too wide */
        {BYTES("\x00\x08\x04\x04 abc"), 4, "piece 0: malformed"},            /* bit 3 */
        {BYTES("\x00\x40\x04\x04 abc"), 4, "piece 0: malformed"},            /* kind 4 */
        {BYTES("\x00\x00\x04\x05 abc"), 4, "piece 0: malformed"},            /* its size */
        {BYTES("\x00\x00\x04\x03"
               "abc"),
         4, "piece 0 (plain): malformed"},
        {BYTES("\x00\x00\x04\x05"
               "abcde"),
         4, "piece 0 (plain): malformed"},
        {BYTES("\x00\x10\x04\x03\x0f"
               "ab"),
         4, "piece 0 (entropy): malformed"}, /* a byte too much */
        {BYTES("\x00\x10\x04\x02\x0d"
               "a"),
         4, "piece 0 (entropy): malformed"}, /* 13 bits */
        {BYTES("\x00\x20\x04\x03\x00\x0f"
               "a"),
         4, "piece 0 (codebook): malformed"}, /* no values */
        {BYTES("\x00\x20\x04\x05\x05\x0f"
               "a\x0f\x00"),
         4, "piece 0 (codebook): malformed"}, /* more values than elements */
        {BYTES("\x00\x20\x04\x05\x01\x0f"
               "a\x0f\x01"),
         4, "piece 0 (codebook): malformed"}, /* an index outside */
        {BYTES("\x00\x30\x04\x03\x02"
               "ab"),
         4, "piece 0 (zstd): malformed"},
        {BYTES("\x00\x04\x04\x09\x05\x05"
               "abcde\x0f\x00"),
         4, "piece 0 (sparse plain): malformed"}, /* more kept than there are */
        {BYTES("\x00\x04\x04\x05\x01\x01"
               "a\x0f\x04"),
         4, "piece 0 (sparse plain): malformed"}, /* behind the end */
        {BYTES("\x00\x04\x04\x05\x01\x02"
               "a\x0f\xff"),
         4, "piece 0 (sparse plain): malformed"}, /* more gaps than fit */
        {BYTES("\x00\x04\x04\x05\x01\x01"
               "a\x0f\xff"),
         4, "piece 0 (sparse plain): malformed"}, /* a gap and no element */
        {BYTES("\x00\x04\x04\x02\x01\x00"), 4, "piece 0 (sparse plain): malformed"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer b = {.data = (uint8_t *)cases[i].bytes, .len = cases[i].len};
        expect_refused(&b, b.len, cases[i].size, cases[i].says);
    }
    /* What the cases above are broken forms of. */
    static const struct malformed good[] = {
        {BYTES("\x00\x00\x04\x04 abc"), 4, " abc"},
        {BYTES("\x00\x10\x04\x02\x0f"
               "a"),
         4, "aaaa"},
        {BYTES("\x00\x20\x04\x05\x01\x0f"
               "a\x0f\x00"),
         4, "aaaa"},
        {BYTES("\x00\x04\x04\x05\x01\x01"
               "a\x0f\x03"),
         4, "\0\0\0a"},
        {BYTES("\x00\x04\x04\x02\x00\x00"), 4, "\0\0\0\0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct buffer b = {.data = (uint8_t *)good[i].bytes, .len = good[i].len};
        struct diag diag = {.text = ""};
        uint8_t *out;
        ck_assert_msg(decode(&b, b.len, 4, &out, &diag) == 0, "%zu: %s", i, diag.text);
        ck_assert_mem_eq(out, good[i].says, 4);
        free(out);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("coded");
    TCase *tc = tcase_create("coded");
    printf("seed %d\n", SEED);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_plain);
    tcase_add_test(tc, test_entropy);
    tcase_add_test(tc, test_codebook);
    tcase_add_test(tc, test_sparse);
    tcase_add_test(tc, test_zstd);
    tcase_add_test(tc, test_damage);
    tcase_add_test(tc, test_malformed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
