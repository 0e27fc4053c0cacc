/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sorted table of models, and the list of all models that still live.
 */

#include "daemon/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "runtime/runtime.h"

void registry_init(struct registry *registry, void (*changed)(void *userdata), void *userdata) {
    *registry = (struct registry){.changed = changed, .userdata = userdata};
}

void registry_deinit(struct registry *registry) {
    while (registry->n_models)
        registry_remove(registry, registry->models[registry->n_models - 1]);
    edge_assert(!registry->all);
}

/* Where the name is or belongs. */
static size_t position(const struct registry *registry, const char *name) {
    size_t low = 0;
    size_t high = registry->n_models;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(registry->models[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct model *registry_find(const struct registry *registry, const char *name) {
    size_t i = position(registry, name);
    bool found = i < registry->n_models && strcmp(registry->models[i]->name, name) == 0;
    return found ? registry->models[i] : NULL;
}

int registry_add(struct registry *registry, const char *name, struct image *image,
                 struct model **ret_model) {
    edge_assert(graph_name_served(name));
    if (registry_find(registry, name))
        return REGISTRY_E_EXISTS;
    if (registry->n_models == REGISTRY_MAX_MODELS)
        return REGISTRY_E_FULL;
    struct model *model = calloc(1, sizeof(*model));
    if (!model)
        return err_origin(-ENOMEM);
    model->owner = registry;
    snprintf(model->name, sizeof(model->name), "%s", name);
    model->image = image;
    model->n_refs = 1;
    model->next = registry->all;
    registry->all = model;
    size_t i = position(registry, name);
    memmove(registry->models + i + 1, registry->models + i,
            (registry->n_models - i) * sizeof(registry->models[0]));
    registry->models[i] = model;
    registry->n_models++;
    registry->changed(registry->userdata);
    *ret_model = model;
    return 0;
}

void registry_remove(struct registry *registry, struct model *model) {
    size_t i = position(registry, model->name);
    edge_assert(i < registry->n_models && registry->models[i] == model);
    registry->n_models--;
    memmove(registry->models + i, registry->models + i + 1,
            (registry->n_models - i) * sizeof(registry->models[0]));
    model_unref(model);
}

struct model *model_ref(struct model *model) {
    model->n_refs++;
    return model;
}

struct model *model_unref(struct model *model) {
    if (!model || --model->n_refs)
        return NULL;
    struct registry *registry = model->owner;
    struct model **at = &registry->all;
    while (*at != model)
        at = &(*at)->next;
    *at = model->next;
    image_unref(model->image);
    free(model);
    registry->changed(registry->userdata);
    return NULL;
}

/* Quick to believe that a run is short, slow to believe that it is long: the thread may have been interrupted. */
void model_ran(struct model *model, uint64_t ns) {
    if (!model->run_ns || ns < model->run_ns)
        model->run_ns = MAX(ns, (uint64_t)1);
    else
        model->run_ns += (MIN(ns, 4 * model->run_ns) - model->run_ns) / 8;
}

size_t registry_arena_bytes(const struct registry *registry) {
    size_t most = 0;
    for (const struct model *m = registry->all; m; m = m->next)
        most = MAX(most, image_arena_bytes(m->image));
    return most;
}

size_t registry_image_bytes(const struct registry *registry) {
    size_t sum = 0;
    for (const struct model *m = registry->all; m; m = m->next)
        sum += image_bytes(m->image);
    return sum;
}
