/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Collects what a compression did and what it cost into one document (docs/compressing.md has its schema): what
 * `edgectl compress --json` prints and --report makes a page of. One thread; measuring starts its own.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/compress.h"
#include "compress/evaluate.h"

struct cJSON;
struct dataset;
struct graph;
struct recipe;
struct report;

struct report_options {
    const char *input; /* the network's file, as it is to be shown */
    size_t input_bytes;
    enum metric metric;
    enum tier tier;
    const struct dataset *calibration, *eval, *test; /* each may be NULL, and stays the caller's */
    bool
        costs; /* whether every layer is tried alone, which runs the recipe as often as there are layers */
};

/* Measures the network as it is; keeps a copy of it, and the options. 0, -ENOMEM, COMPRESS_E_INVALID: data that do not fit
 * the network or the metric. */
_nodiscard_ int report_new(const struct report_options *options, const struct graph *graph,
                           struct report **ret_report, struct diag *diag);
struct report *report_free(struct report *report);
void report_freep(struct report **report);

/* Of the options. */
enum metric report_metric(const struct report *report);
/* What is run now; the recipe is the caller's, and stays as long as the report. */
void report_begin(struct report *report, const struct recipe *recipe);
/* Adds a step; a recipe_step_fn, whose argument is the report. 0 or what measuring gives. */
_nodiscard_ int report_step(void *report, size_t step, const struct pass_context *context);
/* Adds a part that somebody else made ("points", "choices", "sensitivity"); it is the report's from now on, NULL counts
 * as out of memory. 0 or -ENOMEM. */
_nodiscard_ int report_add(struct report *report, const char *name, struct cJSON *part);
/* Measures the compressed network, `file` as it is written. */
_nodiscard_ int report_finish(struct report *report, const struct graph *graph, const void *file,
                              size_t size, struct diag *diag);
/* The document, good as long as the report. */
const struct cJSON *report_json(const struct report *report);
