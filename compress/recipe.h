/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Recipes: which passes, in which order, with which options (docs/recipes.md). Everything is checked before anything
 * runs, but for what only the network can tell. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/compress.h"

struct cJSON;
struct pass;

#define RECIPE_MAX_STEPS 256
#define RECIPE_MAX_BYTES ((size_t)1 << 20)

struct recipe_step {
    const struct pass *pass;
    void *options; /* begins with a struct pass_scope */
};

struct recipe {
    uint64_t seed; /* 32 bits; each step's chance comes from it and the step's place */
    size_t first;  /* place of the first step, where they are a part of another recipe */
    struct recipe_step steps[RECIPE_MAX_STEPS];
    size_t n;
    struct cJSON *json; /* what it was read from: options point into its texts */
};

/* The recipe in a JSON text, or in a document that the recipe takes over, also when it fails. 0, -ENOMEM,
 * COMPRESS_E_INVALID: the diag begins with the field, "steps[1].sparsity". */
_nodiscard_ int recipe_parse(const char *text, size_t size, struct recipe **ret_recipe,
                             struct diag *diag);
_nodiscard_ int recipe_from_json(struct cJSON *json, struct recipe **ret_recipe, struct diag *diag);
/* From a file. The same, and what map_read_file() gives. */
_nodiscard_ int recipe_read(const char *path, struct recipe **ret_recipe, struct diag *diag);
struct recipe *recipe_free(struct recipe *recipe);
void recipe_freep(struct recipe **recipe);

/* Called after each step with the network as it then is, and what the pass said of itself. Negative ends the run. */
typedef int (*recipe_step_fn)(void *arg, size_t step, const struct pass_context *context);

/*
 * Runs the steps on *graph, which is replaced; on failure it is undefined and may only be freed. The weights must be
 * finite. `calibration` and `each` may be NULL. 0, -ENOMEM, COMPRESS_E_INVALID, what `each` returned.
 */
_nodiscard_ int recipe_run(const struct recipe *recipe, struct graph **graph,
                           const struct dataset *calibration, enum tier tier, recipe_step_fn each,
                           void *arg, struct diag *diag);
