/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the tiers; which of them run here is asked of the architecture's own file.
 */

#include "kernels/cpu.h"

#include <stddef.h>
#include <string.h>

#include "kernels/cpu-arch.h"

static const char *const names[TIER_END] = {
    [TIER_C] = "c",
    [TIER_AVX2] = "avx2",
    [TIER_AVXVNNI] = "avxvnni",
    [TIER_AVX512VNNI] = "avx512vnni",
    [TIER_AMX] = "amx",
    [TIER_NEON] = "neon",
    [TIER_DOTPROD] = "dotprod",
    [TIER_I8MM] = "i8mm",
};

const char *tier_name(enum tier tier) {
    return (unsigned)tier < TIER_END ? names[tier] : NULL;
}

enum tier tier_parse(const char *name) {
    for (unsigned t = 0; t < TIER_END; t++) {
        if (!strcmp(names[t], name))
            return (enum tier)t;
    }
    return TIER_END;
}

bool tier_supported(enum tier tier) {
    if (tier == TIER_C)
        return true;
    return (unsigned)tier < TIER_END && cpu_arch_supports(tier);
}

enum tier tier_best(void) {
    for (unsigned t = TIER_END - 1; t > TIER_C; t--) {
        if (tier_supported((enum tier)t))
            return (enum tier)t;
    }
    return TIER_C;
}
