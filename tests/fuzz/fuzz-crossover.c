/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of crossover files on any bytes: densities, or a message that names the place.
 */

#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "runtime/crossover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct crossovers c;
    struct diag diag = {{0}};
    if (crossover_parse("fuzz", (const char *)data, size, &c, &diag)) {
        edge_assert(strncmp(diag.text, "fuzz:", 5) == 0);
        return 0;
    }
    for (unsigned t = 0; t < TIER_END; t++)
        for (unsigned k = 0; k < SPARSE_KIND_END; k++)
            for (unsigned p = 0; p < KERN_PATTERN_END; p++)
                edge_assert(c.value[t][k][p] == -1 ||
                            (c.value[t][k][p] >= 0 && c.value[t][k][p] <= 1));
    return 0;
}
