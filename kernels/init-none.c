/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Architectures without variants.
 */

#include "kernels/arch.h"

void kern_init_arch(struct kernels *k, enum tier tier) {
}

bool kern_arch_prefers_blas(size_t rows, size_t out_c, size_t depth) {
    return true;
}

void kern_init_arch_sparse(struct kernels *k, enum tier tier) {
}
