/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Making networks smaller: a recipe is a list of passes, each takes a network and leaves a network and a sentence for
 * the report. One thread calls; a pass may start its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/random.h"
#include "kernels/cpu.h"

struct dataset;
struct diag;
struct graph;

/* Positive codes of everything in compress/. */
enum {
    /* The recipe, the data and the network do not go together; the diag names the field. */
    COMPRESS_E_INVALID = 1,
};

#define PASS_MAX_SUMMARY 256

/* What a pass works on. */
struct pass_context {
    struct graph *graph; /* float unless an earlier pass quantized; may be replaced by another */
    const struct dataset *calibration; /* inputs to observe activations on; NULL: none was given */
    enum tier tier;                    /* of the runs on them */
    struct random random;              /* seeded by recipe and step; the only source of chance */
    char summary[PASS_MAX_SUMMARY];    /* what the pass did, one sentence; filled by it */
    struct diag *diag;
};
