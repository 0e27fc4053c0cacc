/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: convolutions by matrix products. All else is the dot
 * products'.
 */

#define KERN_SUFFIX i8mm
#define KERN_CONV_TILE "kernels/conv-s8-tile-tmpl.h"

#include "kernels/aarch64/aarch64.h"
#include "kernels/aarch64/vec-i8mm.h"

#include "kernels/int8-tmpl.h"
#include "kernels/peak-s8-tmpl.h"
