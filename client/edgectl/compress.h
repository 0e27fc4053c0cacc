/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Parts of `edgectl compress`. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

struct cJSON;
struct ctl;
struct dataset;
struct diag;
struct graph;
struct recipe;
struct report;

/* What a recipe that is searched for has to keep to. */
struct compress_budget {
    double max_drop;       /* NAN: none */
    uint32_t max_bytes;    /* 0: none */
    double max_latency_us; /* 0: none */
    const char *preset;    /* or NULL */
    uint32_t seed;         /* 0: none was given, 1 */
    double max_seconds;    /* of the search; 0: no limit */
    bool fastest;
};

/* Prints every pass with its options, as tables or as a document. Exit code. */
int compress_print_passes(const struct ctl *ctl);

/* Looks for the recipe, and gives the report what was tried and chosen. `input` is the network's file as its history names
 * it. As search_run(). */
_nodiscard_ int compress_search(const struct ctl *ctl, const struct compress_budget *budget,
                                const struct graph *graph, const char *input,
                                const struct dataset *calibration, const struct dataset *validation,
                                struct report *report, struct recipe **ret_recipe,
                                struct diag *diag);

/* One step of a report's document: "2. prune: …". */
void compress_print_step(const struct cJSON *report, int step);
/* What the report says of the networks as a whole, before and after. 0 or -ENOMEM. */
int compress_print_figures(const struct cJSON *report);
