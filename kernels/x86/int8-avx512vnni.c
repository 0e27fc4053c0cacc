/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: AVX-512 VNNI.
 */

#define KERN_SUFFIX avx512vnni

#include "kernels/x86/vec-avx512vnni.h"
#include "kernels/x86/x86.h"

#include "kernels/int8-tmpl.h"
