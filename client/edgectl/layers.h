/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The layers of a network in this process, timed one by one beside what the core can do at most. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"
#include "client/edgectl/source.h"

struct cJSON;

struct layers {
    const struct image *image;
    uint64_t *ns; /* median of each layer */
    /* Multiply-adds per nanosecond that this core does in registers with the tier's instructions, measured in the same
     * run: of bytes and of floats. */
    double limit_s8, limit_f32;
};

/* Runs a local source again and again for `seconds`. 0, or negative with the diag. */
_nodiscard_ int layers_time(struct layers *layers, const struct source *source, double seconds,
                            struct diag *diag);
void layers_deinit(struct layers *layers);
/* Adds "layers" and "limits" to a document. */
void layers_add_json(const struct layers *layers, struct cJSON *document);
/* Prints a table. 0 or -ENOMEM. */
_nodiscard_ int layers_print(const struct layers *layers);
