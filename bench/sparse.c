/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products with pruned weights beside the same products run densely, in turn, on one pinned thread.
 *
 *     bench-sparse [--tier NAME] [--check]
 *
 * With --check it fails where the ratio is below the target; targets are those of AVX-512.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attributes.h"
#include "bench/timing.h"
#include "kernels/sparse.h"
#include "runtime/sparse-time.h"

#define ROUNDS 31
#define SLICE_US 400
#define SEED 7

struct row {
    const char *name;
    struct sparse_case c;
    double target; /* 0: none */
};

/* False where it misses its target. */
static bool run(enum tier tier, const struct row *row) {
    struct sparse_time t;
    struct sparse_case c = row->c;
    c.seed = SEED;
    const int r = sparse_time(tier, &c, ROUNDS, SLICE_US, &t);
    if (r == SPARSE_E_NONE) {
        printf("%-22s %-4s %s %3.0f %%  no sparse kernel\n", row->name, c.is_float ? "f32" : "int8",
               sparse_pattern_name(c.pattern), 100 * c.density);
        return row->target <= 0;
    }
    if (r)
        timing_die("no memory");
    printf("%-22s %-4s %s %3.0f %% %9.2f %9.2f %6.2f", row->name, c.is_float ? "f32" : "int8",
           sparse_pattern_name(c.pattern), 100 * c.density, t.dense_us, t.sparse_us, t.ratio);
    if (row->target > 0)
        printf(" %6.1f%s", row->target, t.ratio < row->target ? " MISSED" : "");
    else
        printf("       ");
    printf("  %s, %s\n", t.sparse, t.dense);
    return t.ratio >= row->target;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"tier", required_argument, NULL, 't'}, {"check", no_argument, NULL, 'c'}, {0}};
    const struct kern_conv dense = kern_conv_product(1, 1024, 1024);
    const struct kern_conv point_14 = sparse_image(14, 128, 1, 1, 128);
    const struct kern_conv point_6 = sparse_image(6, 128, 1, 1, 128);
    const struct kern_conv window = sparse_image(8, 64, 3, 1, 64);
    const struct row rows[] = {
        {"dense 1024-1024", {dense, false, KERN_SINGLES, 0.2, 0}, 1.5},
        {"dense 1024-1024", {dense, true, KERN_SINGLES, 0.1, 0}, 3},
        {"dense 1024-1024", {dense, false, KERN_BLOCKS_4, 0.25, 0}, 2},
        {"dense 1024-1024", {dense, true, KERN_BLOCKS_4, 0.25, 0}, 2},
        {"dense 1024-1024", {dense, false, KERN_BLOCKS_8, 0.25, 0}, 0},
        {"dense 1024-1024", {dense, true, KERN_BLOCKS_8, 0.25, 0}, 0},
        {"1x1 128-128 14x14", {point_14, false, KERN_BLOCKS_8, 0.25, 0}, 1.5},
        {"1x1 128-128 14x14", {point_14, true, KERN_BLOCKS_8, 0.25, 0}, 1.5},
        {"1x1 128-128 6x6", {point_6, false, KERN_BLOCKS_8, 0.25, 0}, 1.5},
        {"1x1 128-128 6x6", {point_6, true, KERN_BLOCKS_8, 0.25, 0}, 1.5},
        {"1x1 128-128 14x14", {point_14, false, KERN_SINGLES, 0.2, 0}, 0},
        {"1x1 128-128 14x14", {point_14, true, KERN_SINGLES, 0.2, 0}, 0},
        {"1x1 128-128 14x14", {point_14, false, KERN_BLOCKS_4, 0.25, 0}, 0},
        {"1x1 128-128 14x14", {point_14, true, KERN_BLOCKS_4, 0.25, 0}, 0},
        {"3x3 64-64 8x8", {window, false, KERN_BLOCKS_8, 0.25, 0}, 0},
        {"3x3 64-64 8x8", {window, true, KERN_BLOCKS_8, 0.25, 0}, 0},
        {"3x3 64-64 8x8", {window, false, KERN_SINGLES, 0.2, 0}, 0},
        {"3x3 64-64 8x8", {window, true, KERN_SINGLES, 0.2, 0}, 0},
    };
    enum tier tier = tier_best();
    bool check = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'c')
            check = true;
        else if (option != 't' || !tier_supported(tier = tier_parse(optarg))) {
            fprintf(stderr, "usage: %s [--tier NAME] [--check]\n", argv[0]);
            return 2;
        }
    }
    if (check && tier < TIER_AVX512VNNI) {
        printf("SKIPPED: the targets are those of AVX-512\n");
        return 77;
    }
    timing_pin();
    printf("%s, seed %d\n%-22s %-4s %s %4s %10s %9s %6s %6s  kernels\n", tier_name(tier), SEED,
           "product", "type", "of", "left", "dense us", "sparse", "ratio", "target");
    bool good = true;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        good &= run(tier, &rows[i]);
    return check && !good ? EXIT_FAILURE : EXIT_SUCCESS;
}
