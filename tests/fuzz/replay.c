/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target on the files named on the command line: what a compiler without libFuzzer builds.
 */

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fd.h"

#define REPLAY_MAX_BYTES ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        _cleanup_(map_deinit) struct map map = {0};
        struct diag diag;
        if (map_read_file(argv[i], REPLAY_MAX_BYTES, &map, &diag)) {
            fprintf(stderr, "%s\n", diag.text);
            return 1;
        }
        LLVMFuzzerTestOneInput(map.data, map.size);
    }
    printf("%d inputs replayed\n", argc - 1);
    return 0;
}
