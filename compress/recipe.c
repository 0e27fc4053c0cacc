/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading recipes by the passes' tables, and running them.
 */

#include "compress/recipe.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/fd.h"
#include "compress/pass.h"
#include "model/graph-edit.h"
#include "model/graph.h"

#define PLACE_MAX 96 /* "steps[12].layers[3]" */

static int invalid(struct diag *diag, const char *place, const char *name, const char *what) {
    return diag_set(diag, COMPRESS_E_INVALID, "%s%s%s %s", place, *place && *name ? "." : "", name,
                    what);
}

/* ---- one option ---- */

static int read_number(const cJSON *item, const struct pass_field *f, const char *place,
                       double *ret, struct diag *diag) {
    if (!cJSON_IsNumber(item))
        return invalid(diag, place, f->name, "must be a number");
    if (!(item->valuedouble >= f->min && item->valuedouble <= f->max))
        return diag_set(diag, COMPRESS_E_INVALID, "%s.%s must be from %g to %g, not %g", place,
                        f->name, f->min, f->max, item->valuedouble);
    *ret = item->valuedouble;
    return 0;
}

static int read_count(const cJSON *item, const struct pass_field *f, const char *place,
                      uint32_t *ret, struct diag *diag) {
    double value = 0;
    int r = read_number(item, f, place, &value, diag);
    if (r)
        return r;
    if (value != floor(value))
        return invalid(diag, place, f->name, "must be a whole number");
    *ret = (uint32_t)value;
    return 0;
}

static int bad_choice(const struct pass_field *f, const char *place, struct diag *diag) {
    char list[200] = "";
    size_t used = 0;
    for (unsigned i = 0; f->choices[i] && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
                                 f->choices[i]);
    return diag_set(diag, COMPRESS_E_INVALID, "%s.%s must be one of %s", place, f->name, list);
}

static int read_choice(const cJSON *item, const struct pass_field *f, const char *place, int *ret,
                       struct diag *diag) {
    for (int i = 0; cJSON_IsString(item) && f->choices[i]; i++) {
        if (strcmp(item->valuestring, f->choices[i]) == 0) {
            *ret = i;
            return 0;
        }
    }
    return bad_choice(f, place, diag);
}

static int read_field(const cJSON *item, const struct pass_field *f, const char *place,
                      void *options, struct diag *diag) {
    void *to = (char *)options + f->offset;
    switch (f->kind) {
    case FIELD_NUMBER:
        return read_number(item, f, place, to, diag);
    case FIELD_COUNT:
        return read_count(item, f, place, to, diag);
    case FIELD_CHOICE:
        return read_choice(item, f, place, to, diag);
    case FIELD_FLAG:
        if (!cJSON_IsBool(item))
            return invalid(diag, place, f->name, "must be true or false");
        *(bool *)to = cJSON_IsTrue(item);
        return 0;
    case FIELD_TEXT:
        if (!cJSON_IsString(item))
            return invalid(diag, place, f->name, "must be a text");
        *(const char **)to = item->valuestring;
        return 0;
    }
    return err_origin(-EINVAL);
}

static int set_default(const struct pass_field *f, const char *place, void *options,
                       struct diag *diag) {
    void *to = (char *)options + f->offset;
    if (isnan(f->value))
        return invalid(diag, place, f->name, "is missing");
    switch (f->kind) {
    case FIELD_NUMBER:
        *(double *)to = f->value;
        break;
    case FIELD_COUNT:
        *(uint32_t *)to = (uint32_t)f->value;
        break;
    case FIELD_CHOICE:
        *(int *)to = (int)f->value;
        break;
    case FIELD_FLAG:
        *(bool *)to = f->value != 0;
        break;
    case FIELD_TEXT:
        *(const char **)to = NULL;
        break;
    }
    return 0;
}

/* ---- a step ---- */

static int read_names(const cJSON *step, const char *name, const char *place,
                      struct pass_names *ret, struct diag *diag) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(step, name), *item;
    if (!list)
        return 0;
    if (!cJSON_IsArray(list) || !cJSON_GetArraySize(list))
        return invalid(diag, place, name, "must be a list of names of layers");
    ret->items = calloc((size_t)cJSON_GetArraySize(list), sizeof(*ret->items));
    if (!ret->items)
        return err_origin(-ENOMEM);
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item))
            return invalid(diag, place, name, "must be a list of names of layers");
        ret->items[ret->n++] = item->valuestring;
    }
    return 0;
}

static bool is_known(const struct pass *pass, const char *name) {
    if (strcmp(name, "pass") == 0 || strcmp(name, "layers") == 0 || strcmp(name, "except") == 0)
        return true;
    for (const struct pass_field *f = pass->fields; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

/* No field that the pass does not know, none twice. */
static int check_names(const cJSON *step, const struct pass *pass, const char *place,
                       struct diag *diag) {
    const cJSON *item, *other;
    cJSON_ArrayForEach(item, step) {
        if (!is_known(pass, item->string))
            return diag_set(diag, COMPRESS_E_INVALID, "%s.%.64s: the pass %s has no such option",
                            place, item->string, pass->name);
        cJSON_ArrayForEach(other, step) {
            if (other != item && strcmp(other->string, item->string) == 0)
                return invalid(diag, place, item->string, "is there twice");
        }
    }
    return 0;
}

static int read_options(const cJSON *step, const struct pass *pass, const char *place,
                        void *options, struct diag *diag) {
    struct pass_scope *scope = options;
    int r = check_names(step, pass, place, diag);
    if (r == 0)
        r = read_names(step, "layers", place, &scope->layers, diag);
    if (r == 0)
        r = read_names(step, "except", place, &scope->except, diag);
    for (const struct pass_field *f = pass->fields; f->name && r == 0; f++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(step, f->name);
        r = item ? read_field(item, f, place, options, diag) : set_default(f, place, options, diag);
    }
    if (r == 0 && pass->check) {
        r = pass->check(options, diag);
        if (r)
            diag_prefix(diag, r, "%s", place);
    }
    return r;
}

static int read_step(struct recipe *recipe, const cJSON *step, struct diag *diag) {
    char place[PLACE_MAX];
    snprintf(place, sizeof(place), "steps[%zu]", recipe->n);
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(step, "pass");
    if (!cJSON_IsObject(step) || !cJSON_IsString(name))
        return invalid(diag, place, "pass", "is missing");
    const struct pass *pass = pass_find(name->valuestring);
    if (!pass)
        return diag_set(diag, COMPRESS_E_INVALID, "%s.pass: there is no pass '%.64s'", place,
                        name->valuestring);
    void *options = calloc(1, pass->options_size);
    if (!options)
        return err_origin(-ENOMEM);
    recipe->steps[recipe->n++] = (struct recipe_step){.pass = pass, .options = options};
    return read_options(step, pass, place, options, diag);
}

/* ---- a recipe ---- */

static int read_seed(const cJSON *json, uint64_t *ret, struct diag *diag) {
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(json, "seed");
    if (!seed)
        return 0;
    if (!cJSON_IsNumber(seed) || seed->valuedouble < 0 || seed->valuedouble > UINT32_MAX ||
        seed->valuedouble != floor(seed->valuedouble))
        return invalid(diag, "", "seed", "must be a whole number from 0 to 2^32 - 1");
    *ret = (uint64_t)seed->valuedouble;
    return 0;
}

/* No other fields, none twice. */
static int check_recipe(const cJSON *json, struct diag *diag) {
    const cJSON *item;
    if (!cJSON_IsObject(json))
        return invalid(diag, "", "the recipe", "must be an object with \"steps\"");
    cJSON_ArrayForEach(item, json) {
        if (strcmp(item->string, "seed") && strcmp(item->string, "steps") &&
            strcmp(item->string, "description"))
            return diag_set(diag, COMPRESS_E_INVALID, "%.64s: a recipe has no such field",
                            item->string);
        if (cJSON_GetObjectItemCaseSensitive(json, item->string) != item)
            return invalid(diag, "", item->string, "is there twice");
    }
    const cJSON *description = cJSON_GetObjectItemCaseSensitive(json, "description");
    if (description && !cJSON_IsString(description))
        return invalid(diag, "", "description", "must be a text");
    return 0;
}

static int read_recipe(struct recipe *recipe, struct diag *diag) {
    const cJSON *json = recipe->json, *item;
    int r = check_recipe(json, diag);
    if (r)
        return r;
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(json, "steps");
    if (!cJSON_IsArray(steps))
        return invalid(diag, "", "steps", "must be a list");
    if (cJSON_GetArraySize(steps) > RECIPE_MAX_STEPS)
        return diag_set(diag, COMPRESS_E_INVALID, "steps: more than %d", RECIPE_MAX_STEPS);
    r = read_seed(json, &recipe->seed, diag);
    cJSON_ArrayForEach(item, steps) {
        if (r == 0)
            r = read_step(recipe, item, diag);
    }
    return r;
}

int recipe_from_json(cJSON *json, struct recipe **ret_recipe, struct diag *diag) {
    _cleanup_(recipe_freep) struct recipe *recipe = calloc(1, sizeof(*recipe));
    if (!recipe || !json) {
        cJSON_Delete(json);
        return err_origin(-ENOMEM);
    }
    recipe->json = json;
    recipe->seed = 1;
    int r = read_recipe(recipe, diag);
    if (r)
        return r;
    *ret_recipe = steal(&recipe);
    return 0;
}

int recipe_parse(const char *text, size_t size, struct recipe **ret_recipe, struct diag *diag) {
    const char *end = NULL;
    if (size > RECIPE_MAX_BYTES)
        return diag_set(diag, COMPRESS_E_INVALID, "the recipe is larger than %zu bytes",
                        RECIPE_MAX_BYTES);
    cJSON *json = cJSON_ParseWithLengthOpts(text, size, &end, false);
    if (!json)
        return diag_set(diag, COMPRESS_E_INVALID, "the recipe is not JSON: byte %zu",
                        end ? (size_t)(end - text) : 0);
    while (end < text + size && *end && strchr(" \t\r\n", *end))
        end++;
    if (end < text + size) {
        cJSON_Delete(json);
        return diag_set(diag, COMPRESS_E_INVALID, "the recipe goes on after its end: byte %zu",
                        (size_t)(end - text));
    }
    return recipe_from_json(json, ret_recipe, diag);
}

int recipe_read(const char *path, struct recipe **ret_recipe, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    int r = map_read_file(path, RECIPE_MAX_BYTES, &map, diag);
    if (r)
        return r;
    r = recipe_parse(map.data ? map.data : "", map.size, ret_recipe, diag);
    return r ? diag_prefix(diag, r, "%s", path) : 0;
}

struct recipe *recipe_free(struct recipe *recipe) {
    if (!recipe)
        return NULL;
    for (size_t i = 0; i < recipe->n; i++) {
        struct pass_scope *scope = recipe->steps[i].options;
        free(scope->layers.items);
        free(scope->except.items);
        free(scope);
    }
    cJSON_Delete(recipe->json);
    free(recipe);
    return NULL;
}

void recipe_freep(struct recipe **recipe) {
    *recipe = recipe_free(*recipe);
}

/* ---- running ---- */

/* Finds a weight that is no number: tensor and value. */
static bool find_not_finite(const struct graph *graph, const struct tensor **ret_tensor,
                            size_t *ret_value) {
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        const struct tensor *t = &graph->tensors[i];
        const float *values = t->data;
        size_t n = t->kind == TENSOR_CONST && t->dtype == DTYPE_FP32 ? tensor_elements(t) : 0;
        for (size_t k = 0; k < n; k++) {
            if (isfinite(values[k]))
                continue;
            *ret_tensor = t;
            *ret_value = k;
            return true;
        }
    }
    return false;
}

static const char *name_of(const struct tensor *t) {
    return t->name ? t->name : "a constant without a name";
}

/* No pass has to expect weights that are no numbers. */
static int check_network(const struct graph *graph, struct diag *diag) {
    const struct tensor *t;
    size_t k;
    if (!find_not_finite(graph, &t, &k))
        return 0;
    return diag_set(diag, COMPRESS_E_INVALID, "the network: value %zu of %s is not a finite number",
                    k, name_of(t));
}

/* Finite values can still be so large that a pass computes beyond the largest number. */
static int check_made(const struct graph *graph, struct diag *diag) {
    const struct tensor *t;
    size_t k;
    if (!find_not_finite(graph, &t, &k))
        return 0;
    return diag_set(
        diag, COMPRESS_E_INVALID,
        "the pass made value %zu of %s infinite: are there extreme values in the calibration data?",
        k, name_of(t));
}

static int run_step(const struct recipe *recipe, size_t i, struct pass_context *context) {
    const struct recipe_step *step = &recipe->steps[i];
    context->random.state = recipe->seed + ((uint64_t)(recipe->first + i) << 32);
    context->summary[0] = 0;
    int r = step->pass->run(context, step->options);
    if (r == 0)
        r = graph_sweep(context->graph);
    if (r == 0)
        r = check_made(context->graph, context->diag);
    if (r == 0 && graph_check(context->graph, context->diag))
        r = err_origin(-ENOTRECOVERABLE);
    return r > 0 ? diag_prefix(context->diag, r, "steps[%zu]", i) : r;
}

int recipe_run(const struct recipe *recipe, struct graph **graph, const struct dataset *calibration,
               enum tier tier, recipe_step_fn each, void *arg, struct diag *diag) {
    struct pass_context context = {
        .graph = *graph, .calibration = calibration, .tier = tier, .diag = diag};
    struct layers layers;
    int r = layers_find(context.graph, &layers);
    if (r == 0)
        r = check_network(context.graph, diag);
    for (size_t i = 0; i < recipe->n && r == 0; i++) {
        r = run_step(recipe, i, &context);
        if (r == 0 && each)
            r = each(arg, i, &context);
    }
    *graph = context.graph;
    return r;
}
