/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Empirical bias correction (Nagel et al. 2019, Data-Free Quantization, arXiv 1906.04721, §4.2): quantized layers answer
 * on average what the float ones did. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"

struct layers;
struct pass_context;

/* Samples looked at, at most: differences of means on the same samples need few. */
#define BIAS_MAX_SAMPLES 128

/*
 * Mean results of the float layers, before bias and activation, over the first n_samples samples: one after the other,
 * `out` of each, free() them. Layers without a bias get one of zeros. What moments_collect() gives.
 */
_nodiscard_ int bias_expected(struct pass_context *context, struct layers *layers,
                              uint32_t n_samples, double **ret_means);

/*
 * The layers of context->graph with these names, which are quantized by now, get biases that make their means the
 * expected ones: from the first to the last, each on what those before it now hand over. The same.
 */
_nodiscard_ int bias_correct(struct pass_context *context, const struct layers *layers,
                             uint32_t n_samples, const double *means);
