/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The loaded networks by name. A model leaves the registry at once when it is unloaded; its image goes with the last
 * request or session that uses it. Loop thread only, but the image of a referenced model may be used anywhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/histogram.h"
#include "model/graph.h"

struct image;
struct registry;

#define REGISTRY_MAX_MODELS 1024

struct model {
    struct registry *owner;
    char name[GRAPH_MAX_SERVED_NAME + 1];
    struct image *image;
    unsigned n_refs;
    struct model *next; /* of all that are still referenced */
    unsigned n_sessions;
    unsigned n_pending;
    uint64_t n_requests, n_failures, n_items;
    uint64_t load_ns; /* reading and compiling took; set by who loaded it */
    uint64_t queue_ns;
    uint64_t run_ns; /* what running one item takes, of late and undisturbed; 0: not known yet */
    struct histogram compute;
};

struct registry {
    struct model *models[REGISTRY_MAX_MODELS]; /* sorted by name; a reference each */
    size_t n_models;
    struct model *all;
    void (*changed)(void *userdata); /* when the set of images in memory has changed */
    void *userdata;
};

enum {
    REGISTRY_E_EXISTS = 1,
    REGISTRY_E_FULL = 2,
};

void registry_init(struct registry *registry, void (*changed)(void *userdata), void *userdata);
/* Takes all models out. */
void registry_deinit(struct registry *registry);
/* Takes over a reference to the image, on success only. -ENOMEM. */
_nodiscard_ int registry_add(struct registry *registry, const char *name, struct image *image,
                             struct model **ret_model);
/* NULL where there is none. The reference stays the registry's. */
struct model *registry_find(const struct registry *registry, const char *name);
/* The registry's reference goes. */
void registry_remove(struct registry *registry, struct model *model);

struct model *model_ref(struct model *model);
/* Accepts NULL; returns NULL. */
struct model *model_unref(struct model *model);

/* One item ran for `ns`. */
void model_ran(struct model *model, uint64_t ns);

/* The largest arena among all images that are still in use, and their bytes. */
size_t registry_arena_bytes(const struct registry *registry);
size_t registry_image_bytes(const struct registry *registry);
