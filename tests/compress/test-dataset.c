/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of samples: what is taken, and which values are refused wherever they are.
 */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"

enum { SAMPLES = 3, PER_SAMPLE = 4 };

static char root[64];

static void set_up(void) {
    snprintf(root, sizeof(root), "/tmp/edged-dataset-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void tear_down(void) {
    char path[96];
    snprintf(path, sizeof(path), "%s/x.npy", root);
    unlink(path);
    snprintf(path, sizeof(path), "%s/y.npy", root);
    unlink(path);
    rmdir(root);
}

static void write_array(const char *name, enum dtype dtype, const void *values, size_t per_sample) {
    _cleanup_(buffer_deinit) struct buffer b;
    char path[96];
    buffer_init(&b, 1 << 16);
    snprintf(path, sizeof(path), "%s/%s", root, name);
    const size_t dims[] = {SAMPLES, per_sample};
    ck_assert_int_eq(npy_write_header(&b, dtype, dims, per_sample > 1 ? 2 : 1), 0);
    ck_assert_int_eq(buffer_append(&b, values, SAMPLES * per_sample * dtype_size(dtype)), 0);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(b.data, 1, b.len, f), b.len);
    ck_assert_int_eq(fclose(f), 0);
}

static void assert_refused(const char *says) {
    struct dataset data = {0};
    struct diag diag = {.text = ""};
    ck_assert_int_eq(dataset_open(root, &data, &diag), COMPRESS_E_INVALID);
    ck_assert_msg(strstr(diag.text, says) != NULL, "'%s' lacks '%s'", diag.text, says);
}

/* The largest numbers are numbers. */
START_TEST(test_finite) {
    const float x[SAMPLES * PER_SAMPLE] = {3.4e38F, -3.4e38F, 1e-45F, -0.0F};
    const int64_t y[SAMPLES] = {2, 0, 1};
    struct dataset data = {0};
    struct diag diag = {.text = ""};
    write_array("x.npy", DTYPE_FP32, x, PER_SAMPLE);
    write_array("y.npy", DTYPE_INT64, y, 1);
    ck_assert_msg(dataset_open(root, &data, &diag) == 0, "%s", diag.text);
    ck_assert_uint_eq(data.n, SAMPLES);
    ck_assert_uint_eq(data.per_sample, PER_SAMPLE);
    ck_assert(data.has_y);
    ck_assert_int_eq(dataset_label(&data, 0), 2);
    dataset_deinit(&data);
}
END_TEST

static const double unusable[] = {NAN, INFINITY, -INFINITY};

START_TEST(test_samples_not_finite) {
    float x[SAMPLES * PER_SAMPLE] = {0};
    double wide[SAMPLES * PER_SAMPLE] = {0};
    x[1 * PER_SAMPLE + 3] = (float)unusable[_i];
    write_array("x.npy", DTYPE_FP32, x, PER_SAMPLE);
    assert_refused("/x.npy: value 3 of sample 1 is not a finite number");
    wide[2 * PER_SAMPLE] = unusable[_i];
    write_array("x.npy", DTYPE_FP64, wide, PER_SAMPLE);
    assert_refused("/x.npy: value 0 of sample 2 is not a finite number");
}
END_TEST

START_TEST(test_targets_not_finite) {
    const float x[SAMPLES * PER_SAMPLE] = {0};
    double y[SAMPLES] = {0};
    write_array("x.npy", DTYPE_FP32, x, PER_SAMPLE);
    y[2] = unusable[_i];
    write_array("y.npy", DTYPE_FP64, y, 1);
    assert_refused("/y.npy: value 0 of sample 2 is not a finite number");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dataset");
    TCase *tcase = tcase_create("dataset");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_finite);
    tcase_add_loop_test(tcase, test_samples_not_finite, 0, (int)ARRAY_SIZE(unusable));
    tcase_add_loop_test(tcase, test_targets_not_finite, 0, (int)ARRAY_SIZE(unusable));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
