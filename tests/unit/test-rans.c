/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model/rans: what comes back is what went in, at what the entropy says it costs; streams that lie are refused.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/random.h"
#include "model/rans.h"
#include "model/varint.h"

#define SEED 1311
#define MANY 200000

static struct rans_decoder decoder;

static struct buffer encode(const uint8_t *symbols, size_t n) {
    struct buffer b;
    buffer_init(&b, SIZE_MAX / 2);
    ck_assert_int_eq(rans_encode(&b, symbols, n), 0);
    return b;
}

/* Decodes `step` symbols at a time; whether all of it was well-formed and nothing was left over. */
static bool decode(const uint8_t *stream, size_t size, uint8_t *ret, size_t n, size_t step) {
    struct cursor c = {stream, stream + size, false};
    if (!rans_decoder_init(&decoder, &c, n))
        return false;
    for (size_t done = 0; done < n; done += step)
        if (!rans_decode(&decoder, ret + done, n - done < step ? n - done : step))
            return false;
    return c.p == c.end;
}

/* What no table of 2^RANS_MAX_BITS slots can go below: the entropy, and the slots that rarer symbols have too many. */
static double bound_bytes(const uint8_t *symbols, size_t n, unsigned *ret_different) {
    size_t count[256] = {0};
    double bits = 0, slot = (double)n / (1 << RANS_MAX_BITS);
    *ret_different = 0;
    for (size_t i = 0; i < n; i++)
        count[symbols[i]]++;
    for (int s = 0; s < 256; s++) {
        if (count[s] == 0)
            continue;
        bits -= (double)count[s] * log2((double)count[s] / (double)n);
        bits += M_LOG2E * fmax(0, slot - (double)count[s]);
        ++*ret_different;
    }
    return bits / 8;
}

/* Round trip, in one go and in pieces; within 2 % of the entropy, the table and the states. */
static void check_symbols(const uint8_t *symbols, size_t n) {
    unsigned different;
    double bound = bound_bytes(symbols, n, &different);
    struct buffer b = encode(symbols, n);
    uint8_t *copy = malloc(n + 1);
    for (size_t step = 8; step < 2 * n + 16; step *= 37) {
        ck_assert(decode(b.data, b.len, copy, n, step));
        ck_assert_mem_eq(copy, symbols, n);
    }
    ck_assert_uint_le(b.len, n + 1);
    ck_assert_msg((double)b.len <= 1.02 * bound + 1.25 * different + 64, "%zu bytes for %.1f",
                  b.len, bound);
    free(copy);
    buffer_deinit(&b);
}

/* `different` symbols, the first with that share, the others alike or, where `bell`, near the middle. */
static void fill(struct random *r, uint8_t *symbols, size_t n, unsigned different, double first,
                 bool bell) {
    for (size_t i = 0; i < n; i++) {
        double u = 0;
        for (int k = 0; k < 4; k++)
            u += random_unit(r) / 4;
        unsigned s = bell ? (unsigned)(u * different) : random_below(r, different);
        symbols[i] = (uint8_t)(random_unit(r) < first ? 0 : 255 - s);
    }
}

START_TEST(test_round_trips) {
    static const size_t sizes[] = {1, 2, 7, 8, 9, 63, 1000, 4095, 4096, 4097, 4103, MANY};
    static const unsigned alphabets[] = {1, 2, 3, 16, 32, 255, 256};
    static const double shares[] = {0, 0.5, 0.9, 0.999};
    struct random r = {.state = SEED};
    uint8_t *symbols = malloc(MANY);
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++)
        for (size_t a = 0; a < sizeof(alphabets) / sizeof(alphabets[0]); a++)
            for (size_t s = 0; s < sizeof(shares) / sizeof(shares[0]); s++)
                for (int bell = 0; bell < 2; bell++) {
                    fill(&r, symbols, sizes[n], alphabets[a], shares[s], bell);
                    check_symbols(symbols, sizes[n]);
                }
    free(symbols);
}
END_TEST

START_TEST(test_small_forms) {
    uint8_t copy[4];
    struct buffer b = encode(NULL, 0);
    ck_assert_uint_eq(b.len, 0);
    ck_assert(decode(NULL, 0, copy, 0, 8));
    buffer_deinit(&b);
    b = encode((const uint8_t[]){9, 9, 9, 9}, 4);
    ck_assert_uint_eq(b.len, 2);
    ck_assert_mem_eq(b.data, ((const uint8_t[]){RANS_SINGLE, 9}), 2);
    buffer_deinit(&b);
    b = encode((const uint8_t[]){9, 8, 7, 6}, 4);
    ck_assert_uint_eq(b.len, 5);
    ck_assert_mem_eq(b.data, ((const uint8_t[]){RANS_PLAIN, 9, 8, 7, 6}), 5);
    buffer_deinit(&b);
}
END_TEST

/* The bytes of a stream, so that a change of the format is noticed. Symbol 1 has 3 of 4 slots, symbol 2 has 1. */
START_TEST(test_known_stream) {
    uint8_t symbols[64], copy[64];
    for (int i = 0; i < 64; i++)
        symbols[i] = i % 4 == 3 ? 2 : 1;
    struct buffer b = encode(symbols, 64);
    static const uint8_t stream[] = {
        2,                      /* bits */
        0xb2, 0x00,             /* 010: 1 absent; 011: 2 + 1; 010: 1 */
        3,                      /* words */
        0xc2, 0x27, 0x0f, 0x00, /* state */
        0x24, 0x9e, 0x44, 0xe5, 0x0c, 0xbd,
    };
    ck_assert_uint_eq(b.len, sizeof(stream));
    ck_assert_mem_eq(b.data, stream, sizeof(stream));
    ck_assert(decode(b.data, b.len, copy, 64, 8));
    buffer_deinit(&b);
}
END_TEST

/* Frequencies of every shape survive. */
START_TEST(test_tables) {
    struct random r = {.state = SEED};
    for (int round = 0; round < 2000; round++) {
        unsigned bits = 1 + random_below(&r, RANS_MAX_BITS);
        uint32_t left = 1U << bits;
        uint16_t freq[256] = {0}, copy[256];
        uint8_t bytes[RANS_TABLE_MAX];
        for (unsigned s = random_below(&r, 200); left && s < 255; s += 1 + random_below(&r, 4)) {
            freq[s] = (uint16_t)(1 + random_below(&r, round % 2 ? left : (left + 15) / 16));
            left -= freq[s];
        }
        freq[255] = (uint16_t)left;
        size_t n = rans_table_write(freq, bits, bytes);
        struct cursor c = {bytes, bytes + n, false};
        ck_assert(rans_table_read(&c, bits, copy));
        ck_assert_ptr_eq(c.p, c.end);
        ck_assert_mem_eq(freq, copy, sizeof(freq));
        c = (struct cursor){bytes, bytes + n - 1, false};
        ck_assert(!rans_table_read(&c, bits, copy));
    }
}
END_TEST

/* A stream that is cut, or continued, is noticed; one with a wrong bit gives other symbols or is refused. */
START_TEST(test_damage) {
    struct random r = {.state = SEED};
    const size_t sizes[] = {500, 5000};
    for (size_t k = 0; k < 2; k++) {
        size_t n = sizes[k], refused = 0;
        uint8_t symbols[5000], copy[5000];
        fill(&r, symbols, n, 40, 0.5, true);
        struct buffer b = encode(symbols, n);
        ck_assert_uint_le(b.data[0], RANS_MAX_BITS);
        for (size_t len = 0; len < b.len; len++)
            ck_assert(!decode(b.data, len, copy, n, 4096));
        for (size_t i = 0; i < 8 * b.len; i++) {
            b.data[i / 8] ^= (uint8_t)(1U << i % 8);
            if (!decode(b.data, b.len, copy, n, 4096))
                refused++;
            else
                ck_assert_mem_ne(copy, symbols, n);
            b.data[i / 8] ^= (uint8_t)(1U << i % 8);
        }
        ck_assert_uint_gt(refused, 7 * b.len); /* the states at the end tell nearly always */
        buffer_deinit(&b);
    }
}
END_TEST

START_TEST(test_noise) {
    struct random r = {.state = SEED};
    uint8_t bytes[300], copy[5000];
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + random_below(&r, sizeof(copy)), size = random_below(&r, sizeof(bytes));
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)random_u64(&r);
        if (size)
            bytes[0] &= 15;
        if (size == 0 || (bytes[0] == RANS_PLAIN && size < n + 1) || bytes[0] == 13)
            ck_assert(!decode(bytes, size, copy, n, 4096));
        else if (decode(bytes, size, copy, n, 4096)) /* by chance */
            ck_assert_uint_le(size, n + 1 + RANS_TABLE_MAX);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rans");
    TCase *tc = tcase_create("rans");
    printf("seed %d\n", SEED);
    tcase_add_test(tc, test_round_trips);
    tcase_add_test(tc, test_small_forms);
    tcase_add_test(tc, test_known_stream);
    tcase_add_test(tc, test_tables);
    tcase_add_test(tc, test_damage);
    tcase_add_test(tc, test_noise);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
