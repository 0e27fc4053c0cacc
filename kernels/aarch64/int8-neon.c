/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: NEON.
 */

#define KERN_SUFFIX neon

#include "kernels/aarch64/aarch64.h"
#include "kernels/aarch64/vec-neon.h"

#include "kernels/int8-tmpl.h"
