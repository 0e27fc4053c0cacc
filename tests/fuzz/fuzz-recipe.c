/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: an error with a sentence, or steps whose passes and options are there.
 */

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/pass.h"
#include "compress/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct recipe *recipe = NULL;
    struct diag diag = {0};
    int r = recipe_parse((const char *)data, size, &recipe, &diag);
    if (r) {
        if (recipe || (r == COMPRESS_E_INVALID && !diag.text[0]))
            abort();
        return 0;
    }
    for (size_t i = 0; i < recipe->n; i++)
        if (!recipe->steps[i].pass || !recipe->steps[i].options)
            abort();
    recipe_free(recipe);
    return 0;
}
