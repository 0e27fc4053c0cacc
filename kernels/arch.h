/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one architecture adds to the C reference: x86/init.c, aarch64/init.c or init-none.c.
 */

#include <stddef.h>

#include "kernels/kernels.h"

/* Puts an implementation before those of a list. */
void kern_prepend(const struct kern_conv_impl **list, const struct kern_conv_impl *impl);
/* The three implementations of a tier. */
#define KERN_PREPEND_HYBRID(k, tier)                                                               \
    do {                                                                                           \
        kern_prepend((k)->conv_hybrid, &kern_hybrid_s8g_##tier);                                   \
        kern_prepend((k)->conv_hybrid, &kern_hybrid_s8_##tier);                                    \
        kern_prepend((k)->conv_hybrid, &kern_hybrid_s4_##tier);                                    \
    } while (0)
/* Overwrites in `k`, which holds the C reference, everything the tiers up to `tier` do better. */
void kern_init_arch(struct kernels *k, enum tier tier);
/* Puts the tiers' sparse products before the convolutions of `k`. */
void kern_init_arch_sparse(struct kernels *k, enum tier tier);
/* Whether OpenBLAS is to take a float product [rows, depth] x [depth, out_c] rather than the tier's
 * own kernel: the measured break-even. */
bool kern_arch_prefers_blas(size_t rows, size_t out_c, size_t depth);
