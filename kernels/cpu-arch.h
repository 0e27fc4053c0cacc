/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one architecture tells the rest of the folder: cpu-x86.c, cpu-aarch64.c or cpu-none.c.
 */

#include <stdbool.h>

#include "kernels/cpu.h"

/* Whether the CPU has the tier's instructions and the kernel saves their registers. Never asked for
 * TIER_C. */
bool cpu_arch_supports(enum tier tier);
/* What OpenBLAS should take this CPU for; NULL: leave it to OpenBLAS. */
const char *cpu_arch_blas_core(void);
#ifdef __x86_64__
/* Beside the tiers: bytes looked up in two registers (with AVX-512 VNNI). */
bool cpu_arch_has_vbmi(void);
#endif
