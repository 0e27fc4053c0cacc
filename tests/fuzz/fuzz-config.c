/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration reader on any bytes: a valid configuration, or a message that names the place.
 */

#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config config;
    struct diag diag = {{0}};
    config_defaults(&config);
    int r = config_parse(&config, "fuzz", data, size, &diag);
    if (r)
        edge_assert(strncmp(diag.text, "fuzz:", 5) == 0);
    else
        edge_assert(config.max_batch > 0 && config.max_connections > 0 && config.socket[0]);
    return 0;
}
