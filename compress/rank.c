/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that choose ranks.
 */

#include "compress/rank.h"

#include <stdbool.h>

#include "base/error.h"

const char *const rank_methods[] = {"vbmf", NULL};

int rank_check(const struct rank_options *options, struct diag *diag) {
    static const char *const names[] = {"rank", "energy", "macs", "ranks"};
    const bool given[] = {options->rank > 0, options->energy > 0, options->macs > 0,
                          options->ranks >= 0};
    const char *first = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!given[i])
            continue;
        if (first)
            return diag_set(diag, COMPRESS_E_INVALID, "%s: %s is given, too; only one of them may",
                            names[i], first);
        first = names[i];
    }
    if (!first)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "rank: one of rank, energy, macs and ranks must be given");
    return 0;
}

/* What single precision makes of components that are not there, squared: not to be kept for the sake of a share of 1. */
#define ROUNDING 1e-12

uint32_t rank_of_energy(const double *s, size_t n, double share) {
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        total += s[i] * s[i];
    for (size_t i = 0; i < n; i++) {
        sum += s[i] * s[i];
        if (sum >= (share - ROUNDING) * total)
            return (uint32_t)i + 1;
    }
    return (uint32_t)n;
}
