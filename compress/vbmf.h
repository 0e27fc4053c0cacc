/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How many components of a noisy matrix are more than noise: the global analytic solution of empirical variational
 * Bayesian matrix factorization (Nakajima, Sugiyama, Babacan, Tomioka: Journal of Machine Learning Research 14, 2013).
 * Thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * From the min(rows, cols) singular values, descending. The variance of the noise is the one with the least free energy;
 * ret_variance may be NULL.
 */
uint32_t vbmf_rank(const double *s, size_t rows, size_t cols, double *ret_variance);
