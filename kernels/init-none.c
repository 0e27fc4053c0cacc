/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Architectures without variants.
 */

#include "kernels/arch.h"

void kern_init_arch(struct kernels *k, enum tier tier) {
}
