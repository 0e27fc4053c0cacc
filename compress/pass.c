/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of passes, and which layers a pass works on.
 */

#include "compress/pass.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "compress/passes.h"
#include "model/graph.h"

/* clang-format off */
const struct pass *const pass_list[] = {
    &pass_prune_structure,
    &pass_prune,
    &pass_svd,
    &pass_spatial_svd,
    &pass_channel_svd,
    &pass_tucker,
    &pass_separable,
    &pass_equalize,
    &pass_cluster,
    &pass_fixed_point,
    &pass_quantize_weights,
    &pass_quantize,
    NULL,
};
/* clang-format on */

const struct pass *pass_find(const char *name) {
    for (const struct pass *const *p = pass_list; *p; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    return NULL;
}

static bool is_pattern(const char *name) {
    return strpbrk(name, "*?[");
}

static bool matches(const struct pass_names *names, const char *layer) {
    for (size_t i = 0; i < names->n; i++)
        if (fnmatch(names->items[i], layer, 0) == 0)
            return true;
    return false;
}

/* "it has conv1, conv2, dense1 …" */
static int unknown_layer(const struct layers *all, const char *field, size_t i, const char *name,
                         struct diag *diag) {
    char list[128] = "";
    size_t used = 0;
    uint32_t k = 0;
    for (; k < all->n && used + strlen(all->items[k].name) + 8 < sizeof(list); k++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", k ? ", " : "",
                                 all->items[k].name);
    return diag_set(diag, COMPRESS_E_INVALID, "%s[%zu]: no layer is called '%.64s'; there are %s%s",
                    field, i, name, list, k < all->n ? " …" : "");
}

/* Every name leads to a layer. */
static int check_names(const struct pass_names *names, const struct layers *all, const char *field,
                       struct diag *diag) {
    for (size_t i = 0; i < names->n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < all->n && !found; k++)
            found = fnmatch(names->items[i], all->items[k].name, 0) == 0;
        if (!found)
            return unknown_layer(all, field, i, names->items[i], diag);
    }
    return 0;
}

/* No layer is asked for by its own name that the pass cannot work on. */
static int check_plain(struct pass_context *context, const struct pass_names *names,
                       const struct layers *all,
                       bool (*can)(const struct graph *, const struct layer *), const char *what) {
    for (size_t i = 0; i < names->n; i++) {
        const struct layer *l =
            is_pattern(names->items[i]) ? NULL : layers_get(all, names->items[i]);
        if (l && can && !can(context->graph, l))
            return diag_set(context->diag, COMPRESS_E_INVALID, "layers[%zu]: %s is not %s", i,
                            l->name, what);
    }
    return 0;
}

int pass_layers(struct pass_context *context, const struct pass_scope *scope,
                bool (*can)(const struct graph *graph, const struct layer *layer), const char *what,
                struct layers *ret_layers) {
    struct layers all, chosen = {0};
    int r = layers_find(context->graph, &all);
    if (r == 0)
        r = check_names(&scope->layers, &all, "layers", context->diag);
    if (r == 0)
        r = check_names(&scope->except, &all, "except", context->diag);
    if (r == 0)
        r = check_plain(context, &scope->layers, &all, can, what);
    if (r)
        return r;
    chosen.items = graph_alloc(context->graph, all.n * sizeof(*chosen.items));
    if (!chosen.items)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < all.n; i++) {
        const struct layer *l = &all.items[i];
        if ((!scope->layers.n || matches(&scope->layers, l->name)) &&
            !matches(&scope->except, l->name) && (!can || can(context->graph, l)))
            chosen.items[chosen.n++] = *l;
    }
    if (!chosen.n && scope->except.n)
        return diag_set(context->diag, COMPRESS_E_INVALID, "except: leaves no layer that is %s",
                        what);
    if (!chosen.n)
        return diag_set(context->diag, COMPRESS_E_INVALID, "layers: none of them is %s", what);
    *ret_layers = chosen;
    return 0;
}

int pass_need_calibration(const struct pass_context *context) {
    if (context->calibration)
        return 0;
    return diag_set(context->diag, COMPRESS_E_INVALID,
                    "needs calibration data: --calibrate DIR with an x.npy");
}

int pass_check_result(const struct pass_context *context) {
    int r = graph_check(context->graph, context->diag);
    return r > 0 ? diag_prefix(context->diag, COMPRESS_E_INVALID, "layers") : r;
}
