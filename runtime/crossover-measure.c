/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where sparse kernels begin to pay: times them beside the dense ones at some densities.
 */

#include <math.h>

#include "runtime/crossover.h"
#include "runtime/sparse-time.h"

#define ROUNDS 9
#define SLICE_US 150
#define SEED 1
/* Less than this is no reason to run differently. */
#define MARGIN 1.05

const double crossover_densities[CROSSOVER_DENSITIES] = {0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8};

/* Between two neighbouring densities time is about linear: the one where the ratio is MARGIN. */
static float between(double a, double ratio_a, double b, double ratio_b) {
    const double slow_a = MARGIN / ratio_a, slow_b = MARGIN / ratio_b;
    return (float)(a + (b - a) * (1 - slow_a) / (slow_b - slow_a));
}

static float find_crossover(const double *ratio) {
    float crossover = 0;
    for (unsigned i = 0; i < CROSSOVER_DENSITIES; i++) {
        if (ratio[i] >= MARGIN) {
            crossover = (float)crossover_densities[i];
            continue;
        }
        if (i == 0)
            return 0;
        return between(crossover_densities[i - 1], ratio[i - 1], crossover_densities[i], ratio[i]);
    }
    return crossover;
}

int crossover_measure(enum tier tier, enum sparse_kind kind, enum kern_pattern pattern,
                      struct crossover_result *ret) {
    const struct kern_conv vectors[] = {kern_conv_product(1, 1024, 1024),
                                        kern_conv_product(1, 512, 512)};
    const struct kern_conv many[] = {sparse_image(14, 128, 1, 1, 128),
                                     sparse_image(8, 64, 3, 1, 64)};
    const bool is_vector = kind == SPARSE_S8_VECTOR || kind == SPARSE_F32_VECTOR;
    struct crossover_result result = {0};
    for (unsigned i = 0; i < CROSSOVER_DENSITIES; i++) {
        result.ratio[i] = INFINITY;
        for (unsigned j = 0; j < 2; j++) {
            const struct sparse_case c = {
                .shape = is_vector ? vectors[j] : many[j],
                .is_float = kind == SPARSE_F32_VECTOR || kind == SPARSE_F32_MANY,
                .pattern = pattern,
                .density = crossover_densities[i],
                .seed = SEED,
            };
            struct sparse_time t;
            const int r = sparse_time(tier, &c, ROUNDS, SLICE_US, &t);
            if (r == SPARSE_E_NONE) {
                *ret = (struct crossover_result){0};
                return 0;
            }
            if (r)
                return r;
            result.sparse = t.sparse;
            result.dense = t.dense;
            result.ratio[i] = fmin(result.ratio[i], t.ratio);
        }
    }
    result.crossover = find_crossover(result.ratio);
    *ret = result;
    return 0;
}
