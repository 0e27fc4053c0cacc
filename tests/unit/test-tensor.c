/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto/values and proto/tensor: numbers exact and in range, base64, what a Tensor object may say.
 */

#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/random.h"
#include "proto/json.h"
#include "proto/tensor.h"
#include "proto/values.h"

static struct diag diag;

static int read_text(const char *text, enum dtype dtype, size_t n, void *ret) {
    diag.text[0] = 0;
    return values_from_text(text, strlen(text), dtype, false, n, ret, &diag);
}

static void refused(const char *text, enum dtype dtype, size_t n, const char *reason) {
    double values[16];
    ck_assert_int_eq(read_text(text, dtype, n, values), VALUES_E_INVALID);
    ck_assert_str_eq(diag.text, reason);
}

START_TEST(test_integers) {
    int8_t s8[4];
    ck_assert_int_eq(read_text(" -128, 127 ,3.0,1e1\n", DTYPE_INT8, 4, s8), 0);
    ck_assert_mem_eq(s8, ((int8_t[]){-128, 127, 3, 10}), 4);
    int64_t s64[3];
    ck_assert_int_eq(read_text("-9223372036854775808,9223372036854775807,-0", DTYPE_INT64, 3, s64),
                     0);
    ck_assert(s64[0] == INT64_MIN && s64[1] == INT64_MAX && s64[2] == 0);
    uint8_t u8[2];
    ck_assert_int_eq(read_text("true,0", DTYPE_BOOL, 2, u8), 0);
    ck_assert(u8[0] == 1 && u8[1] == 0);
    int16_t s16[2];
    ck_assert_int_eq(read_text("-32768,32767", DTYPE_INT16, 2, s16), 0);
    int32_t s32[2];
    ck_assert_int_eq(read_text("-2147483648,2147483647", DTYPE_INT32, 2, s32), 0);
    ck_assert(s32[0] == INT32_MIN && s32[1] == INT32_MAX);
}
END_TEST

START_TEST(test_refused) {
    refused("300", DTYPE_INT8, 1, "value 0: 300 does not fit INT8");
    refused("1,-129", DTYPE_INT8, 2, "value 1: -129 does not fit INT8");
    refused("-1", DTYPE_UINT8, 1, "value 0: -1 does not fit UINT8");
    refused("256", DTYPE_UINT8, 1, "value 0: 256 does not fit UINT8");
    refused("32768", DTYPE_INT16, 1, "value 0: 32768 does not fit INT16");
    refused("2147483648", DTYPE_INT32, 1, "value 0: 2147483648 does not fit INT32");
    refused("9223372036854775808", DTYPE_INT64, 1,
            "value 0: 9223372036854775808 does not fit INT64");
    refused("99999999999999999999", DTYPE_INT64, 1,
            "value 0: 99999999999999999999 does not fit INT64");
    refused("0.5", DTYPE_INT8, 1, "value 0: 0.5 is no integer, as INT8 needs");
    refused("1,NaN", DTYPE_FP32, 2, "value 1: 'NaN' is no number");
    refused("null", DTYPE_FP32, 1, "value 0: 'null' is no number");
    refused("true", DTYPE_INT8, 1, "value 0: 'true' is no number");
    refused("Infinity", DTYPE_FP32, 1, "value 0: 'Infinity' is no number");
    refused("0x10", DTYPE_INT8, 1, "value 0: '0x10' is no number");
    refused("01", DTYPE_INT8, 1, "value 0: '01' is no number");
    refused("+1", DTYPE_INT8, 1, "value 0: '+1' is no number");
    refused("1.", DTYPE_FP32, 1, "value 0: '1.' is no number");
    refused(".5", DTYPE_FP32, 1, "value 0: '.5' is no number");
    refused("1e", DTYPE_FP32, 1, "value 0: '1e' is no number");
    refused("-", DTYPE_FP32, 1, "value 0: '-' is no number");
    refused("1 2", DTYPE_FP32, 1, "value 0: '1' is no number");
    refused("1,,2", DTYPE_FP32, 3, "value 1: '' is no number");
    refused("1,2,", DTYPE_FP32, 3, "value 2: '' is no number");
    refused("1e39", DTYPE_FP32, 1, "value 0: 1e39 does not fit FP32");
    refused("1e999", DTYPE_FP64, 1, "value 0: 1e999 does not fit FP64");
    refused("1,2", DTYPE_FP32, 3, "2 values where 3 are expected");
    refused("", DTYPE_FP32, 1, "0 values where 1 are expected");
    refused(" \t", DTYPE_FP32, 1, "0 values where 1 are expected");
}
END_TEST

/* Small integers are read without looking at each digit: every one, in every type, with neighbours of other lengths, with
 * and without blanks, and what is nearly one. */
START_TEST(test_short) {
    for (int v = -1100; v <= 1100; v++) {
        for (enum dtype dtype = DTYPE_FP32; dtype_size(dtype); dtype++) {
            static const char *const forms[] = {"7,%d,7,1,0,1,1,1", "7, %d, 77 ,1,0,1,1,1"};
            for (size_t form = 0; form < ARRAY_SIZE(forms); form++) {
                char text[64];
                int64_t values[8];
                snprintf(text, sizeof(text), dtype == DTYPE_BOOL ? "1,%d,1,1,0,1,1,1" : forms[form],
                         v);
                bool fits = dtype == DTYPE_INT8    ? v >= INT8_MIN && v <= INT8_MAX
                            : dtype == DTYPE_UINT8 ? v >= 0 && v <= UINT8_MAX
                            : dtype == DTYPE_BOOL  ? v == 0 || v == 1
                                                   : true;
                ck_assert_int_eq(read_text(text, dtype, 8, values), fits ? 0 : VALUES_E_INVALID);
                if (!fits)
                    continue;
                double got = dtype == DTYPE_FP32    ? (double)((float *)values)[1]
                             : dtype == DTYPE_FP64  ? ((double *)values)[1]
                             : dtype == DTYPE_INT64 ? (double)values[1]
                             : dtype == DTYPE_INT32 ? ((int32_t *)values)[1]
                             : dtype == DTYPE_INT16 ? ((int16_t *)values)[1]
                             : dtype == DTYPE_INT8  ? ((int8_t *)values)[1]
                                                    : ((uint8_t *)values)[1];
                ck_assert_msg(got == v, "%s became %g", text, got);
            }
        }
    }
    refused("1,01,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '01' is no number");
    refused("1,-01,1,1,1,1,1,1", DTYPE_FP32, 8, "value 1: '-01' is no number");
    refused("1,-,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '-' is no number");
    refused("1,--1,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '--1' is no number");
    refused("1,,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '' is no number");
    refused("1, ,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '' is no number");
    refused("1,1 1,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '1' is no number");
    refused("1,1.5,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: 1.5 is no integer, as INT8 needs");
    refused("127.00000000000000000001", DTYPE_INT8, 1,
            "value 0: 127.00000000000000000001 is no integer, as INT8 needs");
    refused("-1e-400", DTYPE_INT8, 1, "value 0: -1e-400 is no integer, as INT8 needs");
    refused("1,1:,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '1:' is no number");
    refused("1,1/,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '1/' is no number");
    refused("1,\xb1,1,1,1,1,1,1", DTYPE_INT8, 8, "value 1: '\xb1' is no number");
    float f[8];
    ck_assert_int_eq(read_text("-0,-0,0,1e1,1.0,1,1,1", DTYPE_FP32, 8, f), 0);
    ck_assert(signbit(f[0]) && signbit(f[1]) && !signbit(f[2]) && f[3] == 10 && f[4] == 1);
}
END_TEST

/* The quick way and strtod agree, and what is written reads back. */
START_TEST(test_floats) {
    struct random random = {.state = 7};
    for (int i = 0; i < 50000; i++) {
        uint32_t bits = (uint32_t)random_u64(&random);
        float f;
        if (i % 2) /* ordinary sizes */
            f = (float)((random_unit(&random) - 0.5) * pow(10, random_below(&random, 12) - 4.0));
        else
            memcpy(&f, &bits, sizeof(f));
        char text[VALUES_MAX_TEXT + 1];
        size_t n = value_write_float(text, f);
        ck_assert_uint_lt(n, VALUES_MAX_TEXT);
        text[n] = 0;
        float back = 0;
        if (!isfinite(f)) {
            ck_assert_str_eq(text, "null");
            continue;
        }
        ck_assert_int_eq(read_text(text, DTYPE_FP32, 1, &back), 0);
        ck_assert_msg(memcmp(&back, &f, sizeof(f)) == 0, "%a became %s became %a", (double)f, text,
                      (double)back);
        ck_assert_msg(strtof(text, NULL) == f, "%s", text);
        char full[64];
        double want = (double)f * 1.000000123;
        snprintf(full, sizeof(full), "%.17g", want);
        double d;
        ck_assert_int_eq(read_text(full, DTYPE_FP64, 1, &d), 0);
        ck_assert_msg(d == want, "%s", full);
    }
}
END_TEST

static void writes(float f, const char *want) {
    char text[VALUES_MAX_TEXT + 1];
    text[value_write_float(text, f)] = 0;
    ck_assert_str_eq(text, want);
}

START_TEST(test_float_text) {
    writes(0, "0");
    writes(-0.0F, "-0");
    writes(1, "1");
    writes(0.1F, "0.1");
    writes(-2.5F, "-2.5");
    writes(0.00390625F, "0.00390625");
    writes(123456.79F, "123456.79");
    writes(16777216, "16777216");
    writes(NAN, "null");
    writes(-INFINITY, "null");
    writes(1e30F, "1e+30");
    writes(FLT_MAX, "3.4028235e+38");
    writes(FLT_MIN, "1.1754944e-38");
    writes(FLT_TRUE_MIN, "1e-45");
    writes(0.0001F, "0.0001");
    writes(0.00012345678F, "0.00012345678");
    writes(0.00001F, "1e-05");
    writes(999999940, "999999940");
    writes(1e9F, "1e+09");
    writes(-1234567, "-1234567");
    writes(255, "255");
}
END_TEST

START_TEST(test_locale) {
    /* Whichever of these there is writes a comma; without any the test still runs in C. */
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        setlocale(LC_NUMERIC, "fr_FR.UTF-8");
    writes(1e-7F, "1e-07");
    float f[2];
    ck_assert_int_eq(read_text("1.00000000000000000000,0.1234567890123456789", DTYPE_FP32, 2, f),
                     0);
    ck_assert(f[0] == 1 && f[1] == 0.12345679F);
}
END_TEST

START_TEST(test_null) {
    float f[2];
    ck_assert_int_eq(values_from_text("null,1", 6, DTYPE_FP32, true, 2, f, &diag), 0);
    ck_assert(isnan(f[0]) && f[1] == 1);
    int8_t v[2];
    ck_assert_int_eq(values_from_text("null,1", 6, DTYPE_INT8, true, 2, v, &diag),
                     VALUES_E_INVALID);
}
END_TEST

/* The worst value of each type, many times, stays within the stated room. */
START_TEST(test_text_max) {
    static const struct {
        enum dtype dtype;
        int64_t bits;
        const char *text;
    } rows[] = {
        {DTYPE_INT8, INT8_MIN, "-128"},
        {DTYPE_UINT8, UINT8_MAX, "255"},
        {DTYPE_INT16, INT16_MIN, "-32768"},
        {DTYPE_INT32, INT32_MIN, "-2147483648"},
        {DTYPE_INT64, INT64_MIN, "-9223372036854775808"},
        {DTYPE_BOOL, 9, "1"},
    };
    for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
        int64_t values[100];
        size_t size = dtype_size(rows[r].dtype);
        for (size_t i = 0; i < 100; i++)
            memcpy((char *)values + i * size, &rows[r].bits, size);
        char text[4096];
        size_t n = values_to_text(rows[r].dtype, values, 100, text);
        ck_assert_uint_le(n + VALUES_MAX_TEXT - 1, values_text_max(rows[r].dtype, 100));
        ck_assert_uint_eq(n, 100 * strlen(rows[r].text) + 99);
        ck_assert_mem_eq(text, rows[r].text, strlen(rows[r].text));
    }
    float worst[100];
    double worst_double[100];
    for (int i = 0; i < 100; i++) {
        worst[i] = -FLT_MIN;
        worst_double[i] = -DBL_MIN;
    }
    char text[4096];
    ck_assert_uint_le(values_to_text(DTYPE_FP32, worst, 100, text),
                      values_text_max(DTYPE_FP32, 100));
    ck_assert_uint_le(values_to_text(DTYPE_FP64, worst_double, 100, text),
                      values_text_max(DTYPE_FP64, 100));
}
END_TEST

/* Any character may be escaped; what is cut short or no base64 is refused, not read over. */
START_TEST(test_base64_escapes) {
    static const char *const good[] = {"+/8=", "+\\/8=", "\\u002b\\u002F8\\u003d", "+/8\\u003D"};
    static const char *const bad[] = {
        "!!!!", "+/8",   "+/8=\\",     "\\",       "\\u",    "\\u003",
        "====", "\\n8=", "+/8\\u013d", "+/8\\u00", "+/8\\u", "\\u0000AAA"};
    uint8_t back[16];
    char text[64];
    size_t size;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        strcpy(text, good[i]);
        ck_assert_int_eq(values_base64_size(text, strlen(text), &size, &diag), 0);
        ck_assert_uint_eq(size, 2);
        ck_assert_int_eq(values_from_base64(text, strlen(text), back, 2, &size, &diag), 0);
        ck_assert_uint_eq(size, 2);
        ck_assert_mem_eq(back, "\xfb\xff", 2);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        strcpy(text, bad[i]);
        ck_assert_int_eq(values_from_base64(text, strlen(text), back, sizeof(back), &size, &diag),
                         VALUES_E_INVALID);
    }
    ck_assert_int_eq(values_base64_size("+/8", 3, &size, &diag), VALUES_E_INVALID);
    ck_assert_str_eq(diag.text, "no valid base64: its length 3 is not a multiple of 4");
    ck_assert_int_eq(values_base64_size("A===", 4, &size, &diag), VALUES_E_INVALID);
    ck_assert_int_eq(values_base64_size("", 0, &size, &diag), 0);
    ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(test_base64) {
    uint8_t bytes[256], back[256];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(255 - i);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        char text[400];
        values_to_base64(bytes, n, text);
        ck_assert_uint_eq(strlen(text), values_base64_len(n));
        size_t size;
        ck_assert_int_eq(values_from_base64(text, strlen(text), back, n, &size, &diag), 0);
        ck_assert_uint_eq(size, n);
        ck_assert_mem_eq(back, bytes, n);
        if (n)
            ck_assert_int_eq(values_from_base64(text, strlen(text), back, n - 1, &size, &diag),
                             VALUES_E_INVALID);
    }
    char slashes[] = "\\/\\/\\/\\/";
    size_t size;
    ck_assert_int_eq(values_from_base64(slashes, strlen(slashes), back, 3, &size, &diag), 0);
    ck_assert_mem_eq(back, "\xff\xff\xff", 3);
    static const char *const bad[] = {"A",     "AA",   "AAA",  "A===", "AA=A",
                                      "AAAA=", "A AA", "AAA*", "_-_-", "AA\\n="};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char text[16];
        strcpy(text, bad[i]);
        ck_assert_int_eq(values_from_base64(text, strlen(text), back, 256, &size, &diag),
                         VALUES_E_INVALID);
    }
}
END_TEST

static struct json_doc doc;
static char text[4096];

static int read_tensor(const char *json, struct wire_tensor *t, struct wire_fault *fault) {
    json_doc_reset(&doc, 0);
    strcpy(text, json);
    ck_assert_int_eq(json_doc_parse(&doc, text, strlen(text)), 0);
    return wire_tensor_read(&doc, doc.root, "inputs[1]", false, t, fault);
}

static void bad_tensor(const char *json, int code, const char *field) {
    struct wire_tensor t;
    struct wire_fault fault;
    ck_assert_int_eq(read_tensor(json, &t, &fault), code);
    ck_assert_str_eq(fault.field, field);
}

START_TEST(test_tensor) {
    struct wire_tensor t;
    struct wire_fault fault;
    size_t n;
    json_doc_init(&doc);
    ck_assert_int_eq(read_tensor("{\"name\":\"x\",\"datatype\":\"INT8\",\"shape\":[2,3],"
                                 "\"data\":[1,2,3,4,5,6]}",
                                 &t, &fault),
                     0);
    ck_assert_str_eq(t.name, "x");
    ck_assert_int_eq(t.dtype, DTYPE_INT8);
    ck_assert_int_eq(t.form, WIRE_DATA);
    ck_assert(wire_tensor_elements(&t, &n));
    ck_assert_uint_eq(n, 6);
    ck_assert_uint_eq(values_count(t.text, t.text_len), 6);
    ck_assert_int_eq(read_tensor("{\"region\":\"r1\",\"offset\":64,\"size\":4}", &t, &fault), 0);
    ck_assert_int_eq(t.form, WIRE_REGION);
    ck_assert_uint_eq(t.offset, 64);
    ck_assert_uint_eq(t.size, 4);
    ck_assert(t.has_size && !t.has_shape && !wire_tensor_elements(&t, &n));
    ck_assert_int_eq(read_tensor("{\"fileDescriptor\":0,\"shape\":[]}", &t, &fault), 0);
    ck_assert_int_eq(t.form, WIRE_FILE_DESCRIPTOR);
    ck_assert(!t.has_size && t.offset == 0);
    ck_assert(wire_tensor_elements(&t, &n));
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(
        read_tensor("{\"raw\":\"AAAA\",\"shape\":[9007199254740992,9007199254740992]}", &t, &fault),
        0);
    ck_assert(!wire_tensor_elements(&t, &n));

    bad_tensor("[]", WIRE_E_PARAMETER, "inputs[1]");
    bad_tensor("{\"data\":[1],\"foo\":1}", WIRE_E_PARAMETER, "inputs[1].foo");
    bad_tensor("{\"data\":[[1]]}", WIRE_E_PARAMETER, "inputs[1].data");
    bad_tensor("{\"data\":5}", WIRE_E_PARAMETER, "inputs[1].data");
    bad_tensor("{\"raw\":5}", WIRE_E_PARAMETER, "inputs[1].raw");
    bad_tensor("{\"data\":[1],\"name\":5}", WIRE_E_PARAMETER, "inputs[1].name");
    bad_tensor("{\"data\":[1],\"shape\":[1.5]}", WIRE_E_PARAMETER, "inputs[1].shape");
    bad_tensor("{\"data\":[1],\"shape\":[-1]}", WIRE_E_PARAMETER, "inputs[1].shape");
    bad_tensor("{\"data\":[1],\"shape\":[1,1,1,1,1,1,1,1,1]}", WIRE_E_TENSOR, "inputs[1].shape");
    bad_tensor("{\"data\":[1],\"datatype\":\"INT9\"}", WIRE_E_TENSOR, "inputs[1].datatype");
    bad_tensor("{\"name\":\"x\"}", WIRE_E_TENSOR, "inputs[1]");
    bad_tensor("{\"data\":[1],\"raw\":\"AA==\"}", WIRE_E_TENSOR, "inputs[1]");
    bad_tensor("{\"data\":[1],\"offset\":0}", WIRE_E_TENSOR, "inputs[1].offset");
    bad_tensor("{\"raw\":\"\",\"size\":0}", WIRE_E_TENSOR, "inputs[1].size");
    json_doc_deinit(&doc);
}
END_TEST

START_TEST(test_tensor_write) {
    static const float values[] = {0.5F, -1};
    static const int64_t dims[] = {1, 2};
    struct wire_values t = {
        .name = "y",
        .dtype = DTYPE_FP32,
        .n_dims = 2,
        .dims = dims,
        .values = values,
        .size = sizeof(values),
    };
    struct buffer b;
    buffer_init(&b, 4096);
    struct json_writer w = {.buffer = &b};
    json_begin_array(&w);
    wire_tensor_write(&w, &t);
    t.form = WIRE_RAW;
    wire_tensor_write(&w, &t);
    t.form = WIRE_REGION;
    t.region = "r1";
    t.offset = 8;
    wire_tensor_write(&w, &t);
    t.form = WIRE_FILE_DESCRIPTOR;
    wire_tensor_write(&w, &t);
    json_end_array(&w);
    ck_assert_int_eq(w.err, 0);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
#define HEAD "{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1,2],"
    ck_assert_str_eq((char *)b.data,
                     "[" HEAD "\"data\":[0.5,-1]}," HEAD "\"raw\":\"AAAAPwAAgL8=\"}," HEAD
                     "\"region\":\"r1\",\"offset\":8,\"size\":8}," HEAD
                     "\"fileDescriptor\":0,\"offset\":8,\"size\":8}]");
    buffer_deinit(&b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("tensor");
    TCase *t = tcase_create("tensor");
    tcase_add_test(t, test_integers);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_short);
    tcase_add_test(t, test_floats);
    tcase_add_test(t, test_float_text);
    tcase_add_test(t, test_locale);
    tcase_add_test(t, test_null);
    tcase_add_test(t, test_text_max);
    tcase_add_test(t, test_base64);
    tcase_add_test(t, test_base64_escapes);
    tcase_add_test(t, test_tensor);
    tcase_add_test(t, test_tensor_write);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
