/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/: arithmetic, buffers, memfds, whole files, histogram, checksum, diagnostics.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/histogram.h"
#include "base/utf8.h"

START_TEST(test_arith) {
    size_t r = 7;
    ck_assert(!size_add(SIZE_MAX, 1, &r));
    ck_assert(!size_mul(SIZE_MAX / 2 + 1, 2, &r));
    ck_assert(!size_align(SIZE_MAX - 2, 64, &r));
    ck_assert_uint_eq(r, 7);
    ck_assert(size_align(65, 64, &r));
    ck_assert_uint_eq(r, 128);
    ck_assert(range_within(4, 4, 8));
    ck_assert(!range_within(5, 4, 8));
    ck_assert(!range_within(UINT64_MAX, 2, 8));
}
END_TEST

START_TEST(test_bytes) {
    const uint8_t b[] = {1, 2, 3, 4, 5, 6, 7, 0x88};
    ck_assert_uint_eq(load_le16(b + 1), 0x0302);
    ck_assert_uint_eq(load_le32(b), 0x04030201);
    ck_assert_uint_eq(load_le64(b), 0x8807060504030201);
    uint8_t out[8];
    store_le64(out, load_le64(b));
    ck_assert_mem_eq(out, b, 8);
    store_lef32(out, -1.5F);
    ck_assert(load_lef32(out) == -1.5F);
}
END_TEST

START_TEST(test_buffer_cap) {
    struct buffer b;
    buffer_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(buffer_append(&b, "0123456789", 10), 0);
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_int_eq(buffer_append(&b, "x", 1), -EMSGSIZE);
    ck_assert_int_eq(buffer_reserve(&b, SIZE_MAX), -EMSGSIZE);
    buffer_consume(&b, 995);
    ck_assert_int_eq(buffer_printf(&b, "%d", 12), 0);
    ck_assert_uint_eq(b.len, 7);
    ck_assert_mem_eq(b.data, "5678912", 7);
    buffer_reset(&b, 10);
    ck_assert_ptr_null(b.data);
    buffer_deinit(&b);
}
END_TEST

START_TEST(test_memfd_seals) {
    _cleanup_(fd_closep) int fd = -1;
    _cleanup_(map_deinit) struct map map = {0};
    ck_assert_int_eq(memfd_new("test", 5000, &fd), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(map_shared(fd, 5000, &map), 0);
    map_populate(&map, true);
    unsigned char in_core[2] = {0};
    ck_assert_int_eq(mincore(map.data, 5000, in_core), 0);
    /* An emulator takes any advice and follows none. */
    const bool advised = madvise(map.data, 1, -1) < 0;
    ck_assert(!advised || (in_core[0] & in_core[1] & 1));
    memset(map.data, 0x5a, 5000);
    /* The write seal is refused while a writable mapping exists. */
    ck_assert_int_eq(memfd_seal_image(fd), -EBUSY);
    map_deinit(&map);
    ck_assert_int_eq(memfd_seal_image(fd), 0);
    unsigned seals = 0;
    ck_assert_int_eq(memfd_seals(fd, &seals), 0);
    ck_assert_uint_eq(seals & 0xf, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    ck_assert_int_eq(map_sealed(fd, 5000, &map), 0);
    map_populate(&map, false);
    ck_assert_int_eq(((const char *)map.data)[4999], 0x5a);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(mprotect(map.data, 4096, PROT_READ), 0);
}
END_TEST

START_TEST(test_memfd_refusals) {
    int fd = -1;
    ck_assert_int_eq(memfd_new("test", 0, &fd), -EINVAL);
    ck_assert_int_eq(memfd_new("test", SIZE_MAX, &fd), -EINVAL);
    unsigned seals;
    ck_assert_int_lt(memfd_seals(STDIN_FILENO, &seals), 0);
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(test_files) {
    char dir[] = "/tmp/edged-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/file", dir);
    struct diag diag;
    ck_assert_int_eq(file_write_atomic(path, "hello", 5, &diag), 0);
    struct map map = {0};
    ck_assert_int_eq(map_read_file(path, 4, &map, &diag), -EFBIG);
    ck_assert_ptr_nonnull(strstr(diag.text, "limit of 4"));
    ck_assert_int_eq(map_read_file(path, 5, &map, &diag), 0);
    ck_assert_uint_eq(map.size, 5);
    ck_assert_mem_eq(map.data, "hello", 5);
    map_deinit(&map);
    ck_assert_int_eq(map_read_file(dir, 5, &map, &diag), -EINVAL);
    ck_assert_ptr_nonnull(strstr(diag.text, "not a regular file"));
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(map_read_file(path, 5, &map, &diag), -EINVAL);
    unlink(path);
    ck_assert_int_eq(map_read_file(path, 5, &map, &diag), -ENOENT);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing temporary stayed behind */
    ck_assert_int_eq(file_write_atomic(path, "x", 1, &diag), -ENOENT);
}
END_TEST

static mode_t type_of(const char *path) {
    struct stat st;
    ck_assert_int_eq(lstat(path, &st), 0);
    return st.st_mode & S_IFMT;
}

/* What is no regular file is not replaced by one. */
START_TEST(test_write_special) {
    char dir[] = "/tmp/edged-base-XXXXXX", path[64], link[64], got[8];
    struct diag diag = {0};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    snprintf(link, sizeof(link), "%s/link", dir);
    ck_assert_int_eq(symlink("file", link), 0);
    ck_assert_int_eq(file_write_atomic(link, "hello", 5, &diag), -ENOENT);
    ck_assert_ptr_nonnull(strstr(diag.text, "leads nowhere"));
    ck_assert_int_eq(file_write_atomic(path, "old", 3, &diag), 0);
    ck_assert_int_eq(file_write_atomic(link, "hello", 5, &diag), 0);
    ck_assert_int_eq(type_of(link), S_IFLNK);
    ck_assert_int_eq(type_of(path), S_IFREG);
    struct map map = {0};
    ck_assert_int_eq(map_read_file(path, 5, &map, &diag), 0);
    ck_assert_uint_eq(map.size, 5);
    ck_assert_mem_eq(map.data, "hello", 5);
    map_deinit(&map);
    unlink(path);

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    _cleanup_(fd_closep) int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    ck_assert_int_eq(file_write_atomic(path, "hello", 5, &diag), 0);
    ck_assert_int_eq(type_of(path), S_IFIFO);
    ck_assert_int_eq(read(reader, got, sizeof(got)), 5);
    ck_assert_mem_eq(got, "hello", 5);
    unlink(path);
    unlink(link);

    /* Through links, so that a failure costs no device. */
    ck_assert_int_eq(symlink("/dev/null", link), 0);
    ck_assert_int_eq(file_write_atomic(link, "hello", 5, &diag), 0);
    ck_assert_int_eq(type_of(link), S_IFLNK);
    ck_assert_int_eq(type_of("/dev/null"), S_IFCHR);
    unlink(link);
    ck_assert_int_eq(symlink("/dev/full", link), 0);
    ck_assert_int_eq(file_write_atomic(link, "hello", 5, &diag), -ENOSPC);
    ck_assert_int_eq(type_of(link), S_IFLNK);
    unlink(link);

    ck_assert_int_eq(file_write_atomic(dir, "hello", 5, &diag), -EISDIR);
    ck_assert_ptr_nonnull(strstr(diag.text, "a directory"));
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(test_histogram) {
    struct histogram *h = calloc(1, sizeof(*h));
    ck_assert_uint_eq(histogram_quantile_ns(h, 0.5), 0);
    for (uint64_t i = 1; i <= 10000; i++)
        histogram_add(h, i * 1000);
    uint64_t p50 = histogram_quantile_ns(h, 0.5), p99 = histogram_quantile_ns(h, 0.99);
    ck_assert(p50 > 4400000 && p50 < 5600000);
    ck_assert(p99 > 8700000 && p99 <= 10000000);
    ck_assert_uint_eq(histogram_quantile_ns(h, 1.0), 10000000);
    uint64_t last = 0;
    for (uint64_t ns = 1; ns < (uint64_t)1 << 40; ns *= 2) {
        uint64_t n = histogram_count_le(h, ns);
        ck_assert_uint_ge(n, last);
        last = n;
    }
    ck_assert_uint_eq(last, 10000);
    histogram_add(h, UINT64_MAX);
    histogram_add(h, 0);
    ck_assert_uint_eq(h->max_ns, UINT64_MAX);
    free(h);
}
END_TEST

START_TEST(test_crc32c) {
    /* RFC 3720, B.4 */
    uint8_t b[32] = {0};
    ck_assert_uint_eq(crc32c(b, 32), 0x8a9136aa);
    memset(b, 0xff, 32);
    ck_assert_uint_eq(crc32c(b, 32), 0x62a8ab43);
    ck_assert_uint_eq(crc32c("123456789", 9), 0xe3069283);
    ck_assert_uint_eq(crc32c(NULL, 0), 0);
}
END_TEST

START_TEST(test_diag) {
    struct diag diag;
    ck_assert_int_eq(diag_set(&diag, -EINVAL, "name '%s'", "a\nb\x1b"), -EINVAL);
    ck_assert_str_eq(diag.text, "name 'a?b?'");
    ck_assert_int_eq(diag_prefix(&diag, 3, "tensor %d", 2), 3);
    ck_assert_str_eq(diag.text, "tensor 2: name 'a?b?'");
    ck_assert_int_eq(diag_set(NULL, 5, "x"), 5);
    for (int i = 0; i < 50; i++)
        diag_prefix(&diag, 0, "a prefix that fills the text");
    ck_assert_uint_eq(strlen(diag.text), DIAG_MAX - 1);
}
END_TEST

START_TEST(test_utf8) {
    static const char *const good[] = {"",
                                       "a",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "a\xc3\xa4z"};
    /* A lone continuation, too long forms, surrogates, beyond the last, cut short. */
    static const char *const bad[] = {
        "\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5", "\xc2",     "ab\xe2\x82"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        ck_assert(utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert(!utf8_valid(bad[i], strlen(bad[i])));
    ck_assert(!utf8_valid("\xc3\xa4", 1));
}
END_TEST

START_TEST(test_dtype) {
    for (enum dtype t = DTYPE_FP32; t <= DTYPE_FP64; t++) {
        ck_assert_int_eq(dtype_parse(dtype_name(t)), t);
        ck_assert_uint_gt(dtype_size(t), 0);
        ck_assert_uint_eq(dtype_bytes(t, 3), 3 * dtype_size(t));
    }
    /* Halves of bytes stay inside networks. */
    ck_assert_str_eq(dtype_name(DTYPE_INT4), "INT4");
    ck_assert_uint_eq(dtype_size(DTYPE_INT4), 0);
    ck_assert_int_eq(dtype_parse("INT4"), DTYPE_NONE);
    ck_assert_uint_eq(dtype_bytes(DTYPE_INT4, 0), 0);
    ck_assert_uint_eq(dtype_bytes(DTYPE_INT4, 6), 3);
    ck_assert_uint_eq(dtype_bytes(DTYPE_INT4, 7), 4);
    ck_assert_int_eq(dtype_parse("fp32"), DTYPE_NONE);
    ck_assert_uint_eq(dtype_size(99), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_add_test(tc, test_arith);
    tcase_add_test(tc, test_bytes);
    tcase_add_test(tc, test_buffer_cap);
    tcase_add_test(tc, test_memfd_seals);
    tcase_add_test(tc, test_memfd_refusals);
    tcase_add_test(tc, test_files);
    tcase_add_test(tc, test_write_special);
    tcase_add_test(tc, test_histogram);
    tcase_add_test(tc, test_crc32c);
    tcase_add_test(tc, test_diag);
    tcase_add_test(tc, test_utf8);
    tcase_add_test(tc, test_dtype);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
