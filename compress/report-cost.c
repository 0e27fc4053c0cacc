/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a layer costs alone: the recipe is run again, step by step, each on this layer only. A step that has nothing to do
 * there is passed over.
 */

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "compress/layer.h"
#include "compress/pass.h"
#include "compress/recipe.h"
#include "compress/report-parts.h"
#include "model/graph-edit.h"
#include "model/graph.h"

/* A pattern that only this name matches. */
static cJSON *literal(const char *name) {
    char pattern[2 * GRAPH_MAX_NAME + 1];
    char *p = pattern;
    for (; *name && p < pattern + sizeof(pattern) - 2; name++) {
        if (strchr("*?[]\\", *name))
            *p++ = '\\';
        *p++ = *name;
    }
    *p = 0;
    return cJSON_CreateString(pattern);
}

static bool in_scope(const struct pass_scope *scope, const char *layer) {
    bool in = scope->layers.n == 0;
    for (size_t i = 0; i < scope->layers.n; i++)
        in = in || fnmatch(scope->layers.items[i], layer, 0) == 0;
    for (size_t i = 0; i < scope->except.n; i++)
        in = in && fnmatch(scope->except.items[i], layer, 0) != 0;
    return in;
}

/* The layers of the graph that are a part of `name` and that the step is about; NULL: none, or no memory. */
static cJSON *parts(struct graph *graph, const struct recipe_step *step, const char *name) {
    struct layers layers;
    if (layers_find(graph, &layers))
        return NULL;
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < layers.n; i++) {
        const char *layer = layers.items[i].name;
        if (report_is_part(layer, name) && in_scope(step->options, layer))
            cJSON_AddItemToArray(list, literal(layer));
    }
    if (cJSON_GetArraySize(list))
        return list;
    cJSON_Delete(list);
    return NULL;
}

/* A recipe of step i alone, about these layers, with the same chance. */
static int single(const struct recipe *recipe, size_t i, cJSON *layers, struct recipe **ret,
                  struct diag *diag) {
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(recipe->json, "steps");
    cJSON *step = cJSON_Duplicate(cJSON_GetArrayItem(all, (int)i), true);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "seed", (double)recipe->seed);
    cJSON_DeleteItemFromObjectCaseSensitive(step, "layers");
    cJSON_DeleteItemFromObjectCaseSensitive(step, "except");
    cJSON_AddItemToObject(step, "layers", layers);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(json, "steps"), step);
    int r = recipe_from_json(json, ret, diag);
    if (r == 0)
        (*ret)->first = i;
    return r;
}

/* Replaces *graph where the step does something; ret_done says so. */
static int try_step(const struct report_options *options, const struct recipe *recipe, size_t i,
                    const char *name, struct graph **graph, bool *ret_done) {
    struct diag passed_over;
    _cleanup_(graph_freep) struct graph *changed = NULL;
    _cleanup_(recipe_freep) struct recipe *one = NULL;
    int r = graph_copy(*graph, &changed);
    cJSON *layers = r ? NULL : parts(changed, &recipe->steps[i], name);
    if (r || !layers)
        return r;
    r = single(recipe, i, layers, &one, &passed_over);
    if (r == 0)
        r = recipe_run(one, &changed, options->calibration, options->tier, NULL, NULL,
                       &passed_over);
    if (r == 0) {
        struct graph *old = *graph;
        *graph = changed;
        changed = old;
        *ret_done = true;
    }
    return r < 0 ? r : 0;
}

int report_cost(const struct report_options *options, const struct recipe *recipe,
                const struct graph *before, const struct evaluation *base, const char *name,
                double *ret_cost, struct diag *diag) {
    const struct evaluate_options evaluate = {.metric = options->metric};
    _cleanup_(graph_freep) struct graph *graph = NULL;
    struct evaluation e = {0};
    bool done = false;
    int r = graph_copy(before, &graph);
    for (size_t i = 0; i < recipe->n && r == 0; i++)
        r = try_step(options, recipe, i, name, &graph, &done);
    *ret_cost = (double)NAN;
    if (r || !done)
        return r;
    r = evaluate_graph(graph, options->tier, options->eval, &evaluate, &e, diag);
    if (r)
        return r;
    *ret_cost = evaluation_drop(base, &e);
    evaluation_deinit(&e);
    return 0;
}
