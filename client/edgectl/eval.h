/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of `edgectl eval` share: what was asked, and what was found out. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "client/edgectl/source.h"
#include "compress/complexity.h"
#include "compress/crossval.h"
#include "compress/dataset.h"
#include "compress/energy.h"
#include "compress/evaluate.h"
#include "compress/latency.h"

struct ctl;
struct graph;

struct eval {
    const char *data_path, *recipe_path;
    struct evaluate_options options;
    uint32_t folds, seed;

    struct source *source;
    struct dataset data;
    struct evaluation result;
    double seconds; /* of the evaluation */

    /* Of a file without a recipe */
    bool measured;
    size_t file_bytes;
    struct complexity complexity;
    struct latency latency;
    bool has_energy;
    char sensor[128];
    struct energy energy;

    struct crossval *crossval; /* NULL: not asked for */
    struct crossval_options crossval_options;
};

/* What only a network in this process has: complexity, latency, energy. 0; else the diag says why. */
_nodiscard_ int eval_measure(struct eval *e, const char *path, struct diag *diag);
/* Prints the result as tables or as a document. Exit code. */
int eval_print(const struct ctl *ctl, const struct eval *e);
