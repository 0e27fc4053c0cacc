/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MFCC front end on the demo's recordings, beside the features their makers computed.
 */

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/fd.h"
#include "kernels/kernels.h"
#include "tests/shared.h"

/* Of the demo's files: a RIFF header of 44 bytes and 16000 samples; a NumPy header and 49 x 10
 * floats. */
#define INPUTS "demo-inputs/wakeword6"
#define WAV_HEADER 44
#define SAMPLES 16000
#define FEATURES (49 * 10)
#define BOUND 1e-5

static const struct kern_mfcc params = {
    .samples = SAMPLES,
    .frame = 480,
    .hop = 320,
    .fft = 512,
    .bands = 40,
    .coefficients = 10,
    .first_bin = 2,
    .last_bin = 128,
    .sample_rate = 16000,
    .low_hz = 20,
    .high_hz = 4000,
    .floor = 1e-12F,
    .in_is_s16 = true,
};

static void run(const int16_t *x, float *y) {
    void *tables = aligned_alloc(KERN_PACK_ALIGN, kern_mfcc_tables_size(&params));
    void *scratch = aligned_alloc(KERN_PACK_ALIGN, kern_mfcc_scratch_size(&params));
    kern_mfcc_tables(&params, tables);
    kernels_get(TIER_C)->mfcc(&params, tables, x, y, scratch);
    free(scratch);
    free(tables);
}

static void load(const char *name, const char *type, struct map *ret_map) {
    char path[4096];
    struct diag diag;
    snprintf(path, sizeof(path), "%s/" INPUTS "/%s.%s", shared_dir(), name, type);
    ck_assert_msg(map_read_file(path, 1 << 20, ret_map, &diag) == 0, "%s", diag.text);
}

START_TEST(test_recordings) {
    static const char *const names[] = {"alexa",   "computer",   "hurry_up",
                                        "jarvis",  "noise",      "smart_mirror",
                                        "snowboy", "thermostat", "view_glass"};
    double worst = 0;
    if (!shared_present(INPUTS))
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        _cleanup_(map_deinit) struct map wav = {0}, npy = {0};
        load(names[i], "wav", &wav);
        load(names[i], "npy", &npy);
        ck_assert_uint_eq(wav.size, WAV_HEADER + 2 * SAMPLES);
        ck_assert_uint_ge(npy.size, 4 * FEATURES);
        int16_t x[SAMPLES];
        float y[FEATURES];
        for (size_t s = 0; s < SAMPLES; s++)
            x[s] = (int16_t)load_le16((const uint8_t *)wav.data + WAV_HEADER + 2 * s);
        run(x, y);
        const uint8_t *expected = (const uint8_t *)npy.data + npy.size - 4 * FEATURES;
        for (size_t f = 0; f < FEATURES; f++) {
            /* Not fmax: gcc 12 for aarch64 breaks off when it vectorizes that. */
            const double apart = fabs((double)(y[f] - load_lef32(expected + 4 * f)));
            ck_assert(apart <= BOUND);
            if (apart > worst)
                worst = apart;
        }
    }
    printf("largest difference to the recordings' features: %.3g\n", worst);
}
END_TEST

START_TEST(test_silence) {
    static const int16_t x[SAMPLES];
    float y[FEATURES];
    run(x, y);
    for (size_t f = 0; f < FEATURES; f++) {
        /* every band is at the floor, so that only the first coefficient is not 0 */
        double expected = f % 10 ? 0 : log(1e-12) * 40 * sqrt(1.0 / 40);
        ck_assert(fabs((double)y[f] - expected) <= 1e-4);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mfcc");
    TCase *tc = tcase_create("mfcc");
    tcase_add_test(tc, test_recordings);
    tcase_add_test(tc, test_silence);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
