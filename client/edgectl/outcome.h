/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `edgectl infer` got: kept for all runs, then written to a file and printed. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "client/edgectl/source.h"

struct ctl;

struct outcome {
    const struct source *source; /* borrowed */
    size_t n_runs;
    uint8_t *values[GRAPH_MAX_IO]; /* of each output, run after run */
    uint64_t *ns;                  /* how long each run took */
};

/* -ENOMEM. */
_nodiscard_ int outcome_init(struct outcome *outcome, const struct source *source, size_t n_runs);
void outcome_deinit(struct outcome *outcome);

enum {
    OUTCOME_E_INVALID = 1, /* the file cannot hold these outputs; the diag says what to do */
};

/* Whether `path` ends as a file of outputs does. */
bool outcome_is_path(const char *path);
/* Whether `path`, which ends so, can hold the outputs: .npy those of networks with one, .bin any. 0 or OUTCOME_E_INVALID. */
_nodiscard_ int outcome_check_path(const struct source *source, const char *path,
                                   struct diag *diag);
/* Writes the outputs in their own datatypes. */
_nodiscard_ int outcome_write(const struct outcome *outcome, const char *path, struct diag *diag);
/* Prints one document with everything. `top`: how many of the largest values of the first output, 0 for none. Exit
 * code. */
int outcome_print_json(const struct ctl *ctl, const struct outcome *outcome, size_t top);
/* Prints the largest values with their labels, or with top 0 the values. Exit code. */
int outcome_print(const struct ctl *ctl, const struct outcome *outcome, size_t top);
