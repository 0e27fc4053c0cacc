/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: dot products.
 */

#define KERN_SUFFIX dotprod

#include "kernels/aarch64/aarch64.h"
#include "kernels/aarch64/vec-dotprod.h"

#include "kernels/int8-tmpl.h"
