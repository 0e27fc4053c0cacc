/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the report: its layers, and what each of them costs. One thread.
 */

#include <stddef.h>

#include "base/attributes.h"
#include "compress/report.h"

struct cJSON;
struct graph;
struct image;
struct layer;
struct recipe;

/* Both networks; the layers of both have names. */
struct report_layers {
    const struct report_options *options;
    struct graph *before, *after;
    const struct image *image; /* of `after` */
    const void *file;          /* `after` as it is written */
    size_t size;
};

/* The array "layers", without their costs. 0, -ENOMEM, COMPRESS_E_INVALID. */
_nodiscard_ int report_layers(const struct report_layers *in, struct cJSON **ret_layers,
                              struct diag *diag);
/* The real values of a layer's weights, in their tensor's order, for the caller to free. NULL where there is no memory. */
float *report_weights(const struct graph *graph, const struct layer *layer);
/* Whether the layer is the one of that name or a part of it: conv2, conv2.a. */
bool report_is_part(const char *name, const char *of);

/* How much worse than `base` the network is where the recipe does only to the layer `name`, and its parts, what it says;
 * NAN where no step does anything to it. */
_nodiscard_ int report_cost(const struct report_options *options, const struct recipe *recipe,
                            const struct graph *before, const struct evaluation *base,
                            const char *name, double *ret_cost, struct diag *diag);
