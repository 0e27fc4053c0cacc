/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Architectures without variants: the C reference is all there is.
 */

#include <stddef.h>

#include "kernels/cpu-arch.h"

bool cpu_arch_supports(enum tier tier) {
    return false;
}

const char *cpu_arch_blas_core(void) {
    return NULL;
}
