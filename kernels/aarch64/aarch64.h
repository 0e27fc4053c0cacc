/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The 64-bit Arm variants. Each is in the library of its tier, compiled with that tier's
 * instructions.
 */

#include "kernels/list.h"

#define KERN_DECLARE_NEON(op) KERN_DECLARE(op, neon)
KERN_FLOAT_OPS(KERN_DECLARE_NEON)
#undef KERN_DECLARE_NEON
extern const struct kern_conv_impl kern_conv_f32_neon, kern_depthwise_f32_neon;
