/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: AVX2.
 */

#define KERN_SUFFIX avx2

#include "kernels/x86/vec-avx2.h"
#include "kernels/x86/x86.h"

#include "kernels/int8-tmpl.h"
