/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .npy files: what is taken, what is refused, cut and flipped ones, and that what is written reads back.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/npy.h"
#include "base/random.h"

/* A version 1 file with this header and n bytes 1, 2, 3 … of values. */
static size_t make(uint8_t *ret, const char *header, size_t n) {
    size_t length = strlen(header);
    memcpy(ret, "\x93NUMPY\x01\x00", 8);
    store_le16(ret + 8, (uint16_t)length);
    memcpy(ret + 10, header, length);
    for (size_t i = 0; i < n; i++)
        ret[10 + length + i] = (uint8_t)(i + 1);
    return 10 + length + n;
}

static int parse(const char *header, size_t n, struct npy *npy, struct diag *diag) {
    static _Alignas(64) uint8_t file[4096];
    memset(file, 0, sizeof(file));
    return npy_parse(file, make(file, header, n), npy, diag);
}

static const struct {
    const char *header;
    size_t bytes;
    enum dtype dtype;
    unsigned n_dims;
    size_t n;
} good[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }\n", 24, DTYPE_FP32, 3, 6},
    {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 16, DTYPE_FP64, 1, 2},
    {"{\"shape\":(2,),\"descr\":\"|i1\",\"fortran_order\":False}", 2, DTYPE_INT8, 1, 2},
    {"{'descr': '|u1', 'fortran_order': False, 'shape': ()}   \n", 1, DTYPE_UINT8, 0, 1},
    {"{'descr': '>u1', 'fortran_order': True, 'shape': (3,)}", 3, DTYPE_UINT8, 1, 3},
    {"{'descr': '<i2', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2)}", 4, DTYPE_INT16, 8, 2},
    {"{'descr': '=i4', 'fortran_order': False, 'shape': (1)}", 4, DTYPE_INT32, 1, 1},
    {"{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", 8, DTYPE_INT64, 1, 1},
    {"{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", 1, DTYPE_BOOL, 1, 1},
};

START_TEST(test_good) {
    struct npy npy;
    struct diag diag = {"none"};
    ck_assert_msg(parse(good[_i].header, good[_i].bytes, &npy, &diag) == 0, "%s", diag.text);
    ck_assert_int_eq(npy.dtype, good[_i].dtype);
    ck_assert_uint_eq(npy.n_dims, good[_i].n_dims);
    ck_assert_uint_eq(npy.n, good[_i].n);
    ck_assert_uint_eq(npy.size, good[_i].bytes);
    ck_assert_uint_eq((uintptr_t)npy.data % dtype_size(npy.dtype), 0);
    for (size_t i = 0; i < npy.size; i++)
        ck_assert_uint_eq(((const uint8_t *)npy.data)[i], i + 1);
    npy_deinit(&npy);
}
END_TEST

/* Wider unsigned integers become signed ones that hold their values. */
START_TEST(test_widened) {
    struct npy npy;
    struct diag diag;
    ck_assert_int_eq(
        parse("{'descr': '<u2', 'fortran_order': False, 'shape': (2,)}", 4, &npy, &diag), 0);
    ck_assert_int_eq(npy.dtype, DTYPE_INT32);
    ck_assert_int_eq(((const int32_t *)npy.data)[1], 0x0403);
    npy_deinit(&npy);
    ck_assert_int_eq(
        parse("{'descr': '<u4', 'fortran_order': False, 'shape': (1,)}", 4, &npy, &diag), 0);
    ck_assert_int_eq(npy.dtype, DTYPE_INT64);
    ck_assert_int_eq(((const int64_t *)npy.data)[0], 0x04030201);
    npy_deinit(&npy);
    ck_assert_int_eq(
        parse("{'descr': '<u8', 'fortran_order': False, 'shape': (1,)}", 8, &npy, &diag), 0);
    ck_assert_int_eq(((const int64_t *)npy.data)[0], 0x0807060504030201);
    npy_deinit(&npy);

    uint8_t file[256];
    size_t size = make(file, "{'descr': '<u8', 'fortran_order': False, 'shape': (1,)}", 8);
    file[size - 1] = 0x80;
    ck_assert_int_eq(npy_parse(file, size, &npy, &diag), NPY_E_UNSUPPORTED);
}
END_TEST

#define HEAD(descr, order, shape)                                                                  \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static const struct {
    const char *header;
    size_t bytes;
    int code;
    const char *says;
} bad[] = {
    {HEAD("'<f4'", "False", "(2,)"), 7, NPY_E_INVALID, "needs 8 bytes, the file has 7"},
    {HEAD("'<f4'", "False", "(2,)"), 9, NPY_E_INVALID, "needs 8 bytes, the file has 9"},
    {HEAD("'>f4'", "False", "(2,)"), 8, NPY_E_UNSUPPORTED, "big endian"},
    {HEAD("'<f2'", "False", "(2,)"), 4, NPY_E_UNSUPPORTED, "'<f2' is not supported"},
    {HEAD("'<c8'", "False", "(1,)"), 8, NPY_E_UNSUPPORTED, "astype"},
    {HEAD("'|O'", "False", "(1,)"), 8, NPY_E_UNSUPPORTED, "astype"},
    {HEAD("[('a', '<f4')]", "False", "(1,)"), 4, NPY_E_UNSUPPORTED, "one plain type"},
    {HEAD("'<f4'", "True", "(2, 2)"), 16, NPY_E_UNSUPPORTED, "ascontiguousarray"},
    {HEAD("'<f4'", "0", "(1,)"), 4, NPY_E_INVALID, "fortran_order"},
    {HEAD("'<f4'", "False", "(0, 3)"), 0, NPY_E_UNSUPPORTED, "empty"},
    {HEAD("'<f4'", "False", "(-1,)"), 4, NPY_E_INVALID, "shape"},
    {HEAD("'<f4'", "False", "(1, 2"), 8, NPY_E_INVALID, "shape"},
    {HEAD("'<f4'", "False", "[1]"), 4, NPY_E_INVALID, "tuple"},
    {HEAD("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), 4, NPY_E_UNSUPPORTED, "more than 8"},
    {HEAD("'<f4'", "False", "(18446744073709551616,)"), 4, NPY_E_INVALID, "shape"},
    {HEAD("'<f4'", "False", "(4294967296, 4294967296)"), 4, NPY_E_INVALID, "too large"},
    {HEAD("'<f4'", "False", "(4611686018427387904,)"), 4, NPY_E_INVALID, "too large"},
    {HEAD("'<f4'", "False", "(1,)") "x", 4, NPY_E_INVALID, "goes on"},
    {"{'descr': '<f4', 'shape': (1,)}", 4, NPY_E_INVALID, "lacks"},
    {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4, NPY_E_INVALID, "twice"},
    {"{'kind': 1}", 4, NPY_E_INVALID, "unknown key 'kind'"},
    {"{'descr' '<f4'}", 4, NPY_E_INVALID, "dictionary"},
    {"", 4, NPY_E_INVALID, "dictionary"},
    {"{", 0, NPY_E_INVALID, "dictionary"},
    {"{'descr", 0, NPY_E_INVALID, "dictionary"},
};

START_TEST(test_bad) {
    struct npy npy;
    struct diag diag = {0};
    ck_assert_int_eq(parse(bad[_i].header, bad[_i].bytes, &npy, &diag), bad[_i].code);
    ck_assert_msg(strstr(diag.text, bad[_i].says) != NULL, "'%s' lacks '%s'", diag.text,
                  bad[_i].says);
}
END_TEST

START_TEST(test_preamble) {
    struct npy npy;
    struct diag diag;
    uint8_t file[256] = {0};
    ck_assert_int_eq(npy_parse(file, 0, &npy, &diag), NPY_E_INVALID);
    ck_assert_int_eq(npy_parse("\x93NUMPX\x01\x00\x00\x00", 10, &npy, &diag), NPY_E_INVALID);
    ck_assert_int_eq(npy_parse("\x93NUMPY\x03\x00\x00\x00", 10, &npy, &diag), NPY_E_UNSUPPORTED);
    ck_assert_int_eq(npy_parse("\x93NUMPY\x02\x00\x00\x00", 10, &npy, &diag), NPY_E_INVALID);
    ck_assert_int_eq(npy_parse("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12, &npy, &diag),
                     NPY_E_INVALID);

    /* Version 2 has a longer length. */
    const char *header = HEAD("'|u1'", "False", "(2,)");
    size_t length = strlen(header);
    memcpy(file, "\x93NUMPY\x02\x00", 8);
    store_le32(file + 8, (uint32_t)length);
    memcpy(file + 12, header, length);
    file[12 + length] = 7;
    ck_assert_int_eq(npy_parse(file, 14 + length, &npy, &diag), 0);
    ck_assert_uint_eq(*(const uint8_t *)npy.data, 7);
    npy_deinit(&npy);
}
END_TEST

/* Each shorter file is an error; each flipped one an error or an array that can be read. */
START_TEST(test_damaged) {
    uint8_t file[256], copy[256];
    struct npy npy;
    struct diag diag;
    size_t size = make(file, good[0].header, good[0].bytes);
    for (size_t n = 0; n < size; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, file, n);
        ck_assert_int_eq(npy_parse(cut, n, &npy, &diag), NPY_E_INVALID);
        free(cut);
    }
    struct random random = {7};
    printf("seed 7\n");
    for (int i = 0; i < 10000; i++) {
        memcpy(copy, file, size);
        copy[random_below(&random, (uint32_t)size)] ^= (uint8_t)(1U << random_below(&random, 8));
        int r = npy_parse(copy, size, &npy, &diag);
        ck_assert_int_ge(r, 0);
        if (!r) {
            ck_assert_uint_eq(npy.size, npy.n * dtype_size(npy.dtype));
            npy_deinit(&npy);
        }
    }
}
END_TEST

START_TEST(test_unaligned) {
    _Alignas(8) uint8_t room[256];
    struct npy npy;
    struct diag diag;
    size_t size = make(room + 1, good[0].header, good[0].bytes);
    ck_assert_int_eq(npy_parse(room + 1, size, &npy, &diag), 0);
    ck_assert_uint_eq((uintptr_t)npy.data % 4, 0);
    ck_assert_mem_eq(npy.data, "\x01\x02\x03\x04", 4);
    npy_deinit(&npy);
}
END_TEST

START_TEST(test_write) {
    static const enum dtype dtypes[] = {DTYPE_FP32,  DTYPE_FP64,  DTYPE_INT8,  DTYPE_UINT8,
                                        DTYPE_INT16, DTYPE_INT32, DTYPE_INT64, DTYPE_BOOL};
    const size_t dims[] = {2, 1, 3};
    const uint8_t values[48] = {1, 1, 0, 1};
    for (size_t i = 0; i < ARRAY_SIZE(dtypes); i++)
        for (uint8_t n_dims = 0; n_dims <= 3; n_dims++) {
            struct buffer b;
            struct npy npy;
            struct diag diag;
            size_t n = n_dims == 0 ? 1 : n_dims == 3 ? 6 : 2;
            buffer_init(&b, 4096);
            ck_assert_int_eq(npy_write_header(&b, dtypes[i], dims, n_dims), 0);
            ck_assert_uint_eq(b.len % 64, 0);
            ck_assert_int_eq(buffer_append(&b, values, n * dtype_size(dtypes[i])), 0);
            ck_assert_msg(npy_parse(b.data, b.len, &npy, &diag) == 0, "%s", diag.text);
            ck_assert_int_eq(npy.dtype, dtypes[i]);
            ck_assert_uint_eq(npy.n_dims, n_dims);
            ck_assert_mem_eq(npy.dims, dims, n_dims * sizeof(*dims));
            ck_assert_mem_eq(npy.data, values, npy.size);
            npy_deinit(&npy);
            buffer_deinit(&b);
        }
}
END_TEST

START_TEST(test_read) {
    char dir[] = "/tmp/test-npy-XXXXXX", path[64];
    struct npy npy;
    struct diag diag;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x.npy", dir);
    ck_assert_int_eq(npy_read(path, &npy, &diag), -ENOENT);
    uint8_t file[256];
    size_t size = make(file, good[0].header, good[0].bytes);
    ck_assert_int_eq(file_write_atomic(path, file, size, &diag), 0);
    ck_assert_int_eq(npy_read(path, &npy, &diag), 0);
    ck_assert_uint_eq(npy.n, 6);
    npy_deinit(&npy);
    ck_assert_int_eq(file_write_atomic(path, file, 20, &diag), 0);
    ck_assert_int_eq(npy_read(path, &npy, &diag), NPY_E_INVALID);
    ck_assert_ptr_eq(strstr(diag.text, path), diag.text);
    unlink(path);
    rmdir(dir);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("npy");
    TCase *tc = tcase_create("npy");
    tcase_add_loop_test(tc, test_good, 0, ARRAY_SIZE(good));
    tcase_add_test(tc, test_widened);
    tcase_add_loop_test(tc, test_bad, 0, ARRAY_SIZE(bad));
    tcase_add_test(tc, test_preamble);
    tcase_add_test(tc, test_damaged);
    tcase_add_test(tc, test_unaligned);
    tcase_add_test(tc, test_write);
    tcase_add_test(tc, test_read);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
