/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CPU feature levels ("tiers"). A tier is a bundle: it stands for all instructions its kernels use
 * and for the operating system saving their registers. Thread-safe.
 */

#include <stdbool.h>

enum tier {
    TIER_C = 0, /* the C reference; on x86-64 nothing above the baseline instructions */
    TIER_AVX2,  /* AVX2, FMA, F16C */
    TIER_AVXVNNI,
    TIER_AVX512VNNI, /* AVX-512 F, BW, DQ, VL, VNNI */
    TIER_AMX,        /* the former, AMX-TILE and AMX-INT8, permission granted by the kernel */
    TIER_NEON,
    TIER_DOTPROD,
    TIER_I8MM,
    TIER_END
};

/* "c", "avx2", "avxvnni", "avx512vnni", "amx", "neon", "dotprod", "i8mm". */
const char *tier_name(enum tier tier);
/* The tier of that name; TIER_END for an unknown one. */
enum tier tier_parse(const char *name);
/* Whether this CPU and this kernel can run it. Asks for the AMX permission once, on the first call
 * for AMX. */
bool tier_supported(enum tier tier);
/* The best supported one. */
enum tier tier_best(void);
