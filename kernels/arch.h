/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one architecture adds to the C reference: x86/init.c, aarch64/init.c or init-none.c.
 */

#include "kernels/kernels.h"

/* Overwrites in `k`, which holds the C reference, everything the tiers up to `tier` do better. */
void kern_init_arch(struct kernels *k, enum tier tier);
