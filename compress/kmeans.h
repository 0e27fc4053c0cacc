/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * k-means of numbers: the few values that stand for many. In one dimension clusters are intervals of the sorted values,
 * so sums over them come from prefix sums and a round of Lloyd's algorithm costs k binary searches. Thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct random;

#define KMEANS_MAX_CENTERS 256

/* Where Lloyd's algorithm starts; it then runs to its fixed point from any of them. */
enum kmeans_init {
    KMEANS_LINEAR,  /* evenly between the smallest and the largest value */
    KMEANS_DENSITY, /* at the quantiles of the values */
    KMEANS_RANDOM,  /* k-means++ (Arthur, Vassilvitskii 2007) */
    /* At the best clusters there are, by dynamic programming (Wang, Song 2011); values closer together than 1/8192 of
     * their range count as one where there are more than that many. */
    KMEANS_OPTIMAL,
};

/*
 * At most k (<= KMEANS_MAX_CENTERS) centers of n >= 1 finite values, ascending, distinct; fewer where there are fewer
 * distinct values, which are then the centers themselves. `weights` (NULL: all 1), none negative, say how much the
 * squared error of each value counts. `random` is for KMEANS_RANDOM. -ENOMEM.
 */
_nodiscard_ int kmeans(const float *values, const float *weights, size_t n, uint32_t k,
                       enum kmeans_init init, struct random *random, float *ret_centers,
                       uint32_t *ret_n_centers);
/* The nearest of the centers; the lower one of two that are as near. */
float kmeans_nearest(const float *centers, uint32_t n_centers, float value);
