/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Energy sensors of a machine that is only files: which are taken, how they are read, and when they wrap around.
 */

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compress/energy.h"
#include "runtime/runtime.h"
#include "tests/compress/dense.h"

static char root[64];

static void make_root(void) {
    snprintf(root, sizeof(root), "/tmp/edged-energy-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *ftw) {
    return remove(path);
}

static void remove_root(void) {
    ck_assert_int_eq(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes a file under the root, with the folders before it. */
static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "%s\n", text);
    ck_assert_int_eq(fclose(f), 0);
}

#define RAPL "class/powercap/intel-rapl:"
#define HWMON "class/hwmon/hwmon"

START_TEST(no_sensor) {
    struct energy_meter *m = NULL;
    ck_assert_int_eq(energy_open(root, &m), ENERGY_E_NONE);
    put(RAPL "0/name", "package-0"); /* without a counter */
    put(HWMON "0/name", "coretemp");
    put(HWMON "0/temp1_input", "45000");
    ck_assert_int_eq(energy_open(root, &m), ENERGY_E_NONE);
    put(HWMON "0/power1_input", "a lot");
    ck_assert_int_eq(energy_open(root, &m), ENERGY_E_NONE);
    ck_assert_ptr_null(m);
}
END_TEST

START_TEST(packages_are_added_up) {
    struct energy_meter *m;
    put(RAPL "0/name", "package-0");
    put(RAPL "0/energy_uj", "1000000");
    put(RAPL "0/max_energy_range_uj", "10000000");
    put(RAPL "1/name", "package-1");
    put(RAPL "1/energy_uj", "9500000");
    put(RAPL "1/max_energy_range_uj", "10000000");
    /* A part of a package, the same package by another way, the whole platform: none counts again. */
    put(RAPL "0:0/name", "core");
    put(RAPL "0:0/energy_uj", "5");
    put("class/powercap/intel-rapl-mmio:0/name", "package-0");
    put("class/powercap/intel-rapl-mmio:0/energy_uj", "5");
    put(RAPL "2/name", "psys");
    put(RAPL "2/energy_uj", "5");
    put(HWMON "0/power1_input", "5");
    ck_assert_int_eq(energy_open(root, &m), 0);
    ck_assert_str_eq(energy_sensor(m), "package-0 + package-1");
    ck_assert_int_eq(energy_start(m, 0), 0);
    put(RAPL "0/energy_uj", "1250000");
    put(RAPL "1/energy_uj", "250000"); /* wrapped around */
    ck_assert_int_eq(energy_update(m, 1000), 0);
    ck_assert_double_eq_tol(energy_joules(m), 0.25 + 0.75, 1e-12);
    put(RAPL "0/energy_uj", "1350000");
    ck_assert_int_eq(energy_update(m, 2000), 0);
    ck_assert_double_eq_tol(energy_joules(m), 1.1, 1e-12);
    ck_assert_int_eq(energy_start(m, 3000), 0);
    ck_assert_double_eq(energy_joules(m), 0);
    char path[256];
    snprintf(path, sizeof(path), "%s/" RAPL "1/energy_uj", root);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(energy_update(m, 4000), ENERGY_E_NONE);
    energy_free(m);
}
END_TEST

START_TEST(power_is_summed_over_time) {
    struct energy_meter *m;
    put(HWMON "0/name", "ina226");
    put(HWMON "0/power1_input", "2000000");
    put(HWMON "0/power2_input", "7000000");
    ck_assert_int_eq(energy_open(root, &m), 0);
    ck_assert_str_eq(energy_sensor(m), "ina226 power1_input");
    ck_assert_int_eq(energy_start(m, 1000000000), 0);
    put(HWMON "0/power1_input", "4000000");
    ck_assert_int_eq(energy_update(m, 1500000000), 0);
    ck_assert_double_eq_tol(energy_joules(m), 1.5, 1e-12);
    energy_free(m);
}
END_TEST

START_TEST(a_counter_is_better_than_power) {
    struct energy_meter *m;
    put(HWMON "0/name", "first");
    put(HWMON "0/power1_average", "2000000");
    put(HWMON "1/name", "second");
    put(HWMON "1/energy1_input", "100");
    ck_assert_int_eq(energy_open(root, &m), 0);
    ck_assert_str_eq(energy_sensor(m), "second energy1_input");
    ck_assert_int_eq(energy_start(m, 0), 0);
    put(HWMON "1/energy1_input", "600");
    ck_assert_int_eq(energy_update(m, 77), 0);
    ck_assert_double_eq_tol(energy_joules(m), 5e-4, 1e-12);
    energy_free(m);
}
END_TEST

START_TEST(runs_are_measured) {
    struct graph *g = dense_start(2);
    struct image *image;
    struct energy_meter *m;
    struct energy e = {0};
    struct diag diag = {0};
    dense_add(g, "w", (const float[]){1, 2, 3, 4}, NULL, 2, ACT_NONE);
    ck_assert_int_eq(image_build(g, TIER_C, &image, &diag), 0);
    put(HWMON "0/power1_input", "3000000");
    ck_assert_int_eq(energy_open(root, &m), 0);
    ck_assert_int_eq(energy_measure(m, image, NULL, 0.05, &e), 0);
    ck_assert_uint_gt(e.runs, 0);
    /* 3 W all the time. */
    ck_assert_double_eq_tol(e.joules_per_run * (double)e.runs, 3 * e.seconds, 1e-9);
    energy_free(m);
    image_unref(image);
    graph_free(g);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("energy");
    TCase *tc = tcase_create("energy");
    tcase_add_checked_fixture(tc, make_root, remove_root);
    tcase_add_test(tc, no_sensor);
    tcase_add_test(tc, packages_are_added_up);
    tcase_add_test(tc, power_is_summed_over_time);
    tcase_add_test(tc, a_counter_is_better_than_power);
    tcase_add_test(tc, runs_are_measured);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
