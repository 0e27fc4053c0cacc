/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All passes, each in a file of its own. pass_list has them in the order in which they are best applied.
 */

#include "compress/pass.h"

extern const struct pass pass_channel_svd;
extern const struct pass pass_cluster;
extern const struct pass pass_equalize;
extern const struct pass pass_fixed_point;
extern const struct pass pass_prune;
extern const struct pass pass_prune_structure;
extern const struct pass pass_quantize;
extern const struct pass pass_quantize_weights;
extern const struct pass pass_separable;
extern const struct pass pass_spatial_svd;
extern const struct pass pass_svd;
extern const struct pass pass_tucker;
