/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The float kernels as one source for all tiers. A tier's file defines
 *   KERN_SUFFIX      the tier's name in the functions' names,
 *   KERN_VECTOR      bytes of its vectors,
 *   KERN_ROWS_1, _2, _4  pixels of a tile of 1, 2 and 4 vectors of output channels that the
 *                    registers hold; KERN_ROWS_4 0: there are no such tiles,
 *   KERN_ROWS_SLIDING  pixels of a tile that slides over three taps, where sums may be split,
 *   KERN_MAX, KERN_MIN  of two vectors, where the compiler would not find the instructions,
 *   KERN_MIN_MACS    the smallest product worth the tier's instructions; smaller ones are left to
 *                    the C reference, whose rounding they then share,
 *   KERN_SPARSE_4    vectors of a sparse product's tile of four output channels, 3 or 6; 0: none,
 *   KERN_SPLIT_SUMS  1 where a sum may be split over several registers; 0 keeps the reference's
 *                    order exactly,
 * and includes this file once; its library is compiled with the tier's instructions. All that is
 * defined here is either static or bears the suffix.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/conv-shape.h"
#include "kernels/conv-tiles.h"
#include "kernels/im2col.h"
#include "kernels/list.h"
#include "kernels/names.h"
#include "kernels/round.h"
#include "kernels/sparse-planes.h"
#include "kernels/sparse.h"

#include "kernels/vec-f32-tmpl.h"

#include "kernels/conv-f32-tile-tmpl.h"

#include "kernels/conv-pairs-f32-tmpl.h"

#include "kernels/conv-f32-tmpl.h"
#include "kernels/depthwise-f32-tmpl.h"
#include "kernels/elementwise-f32-tmpl.h"
#include "kernels/peak-f32-tmpl.h"
#if KERN_SPARSE_4
#include "kernels/sparse-f32-tmpl.h"

#include "kernels/sparse-vector-f32-tmpl.h"
#endif
