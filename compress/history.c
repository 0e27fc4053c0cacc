/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a network.
 */

#include "compress/history.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "compress/recipe.h"
#include "model/graph.h"

int history_set(struct graph *graph, const struct recipe *recipe, const char *input,
                struct diag *diag) {
    cJSON *json = cJSON_CreateObject();
    if (input)
        cJSON_AddStringToObject(json, "input", input);
    cJSON_AddNumberToObject(json, "seed", (double)recipe->seed);
    cJSON_AddItemToObject(json, "recipe", cJSON_Duplicate(recipe->json, true));
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    const char *copy = text ? graph_strndup(graph, text, strlen(text)) : NULL;
    cJSON_free(text);
    if (!copy)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    graph->history = copy;
    return 0;
}
