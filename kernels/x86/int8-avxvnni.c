/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: AVX-VNNI.
 */

#define KERN_SUFFIX avxvnni

#include "kernels/x86/vec-avxvnni.h"
#include "kernels/x86/x86.h"

#include "kernels/int8-tmpl.h"
