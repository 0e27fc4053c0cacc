/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64-bit Arm: the kernel tells the features in the auxiliary vector.
 */

#include <stddef.h>
#include <sys/auxv.h>

#include <asm/hwcap.h>

#include "kernels/cpu-arch.h"

bool cpu_arch_supports(enum tier tier) {
    switch (tier) {
    case TIER_NEON:
        return getauxval(AT_HWCAP) & HWCAP_ASIMD;
    case TIER_DOTPROD:
        return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
    case TIER_I8MM:
        return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
    default:
        return false;
    }
}

const char *cpu_arch_blas_core(void) {
    return NULL;
}
