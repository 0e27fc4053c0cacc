/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8 kernels: AMX. The tests compile this file a second time with tiles made of C
 * (KERN_TILES), since few machines have them.
 */

#ifndef KERN_TILES
#define KERN_SUFFIX amx
#define KERN_TILES "kernels/x86/tiles.h"
#endif
#define KERN_CONV_TILE "kernels/x86/conv-s8-amx-tmpl.h"

#include KERN_TILES
#include "kernels/x86/vec-avx512vnni.h"
#include "kernels/x86/x86.h"

#include "kernels/int8-tmpl.h"
