/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sensitivity of layers.
 */

#include "compress/sensitivity.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "compress/lab.h"

void sensitivity_deinit(struct sensitivity *s) {
    free(s->curves);
    *s = (struct sensitivity){0};
}

static int try_strength(struct lab *lab, const struct curve *curve, double strength,
                        const struct trial **ret_trial, struct diag *diag) {
    const char *layer = lab->layers.items[curve->layer].name;
    char label[160];
    snprintf(label, sizeof(label), "%.100s: %s %g", layer, curve->technique->name, strength);
    cJSON *steps = cJSON_CreateArray();
    cJSON *step = technique_step(curve->technique, strength, &layer, 1);
    if (!steps || !step) {
        cJSON_Delete(steps);
        cJSON_Delete(step);
        return err_origin(-ENOMEM);
    }
    cJSON_AddItemToArray(steps, step);
    return lab_try(lab, label, steps, ret_trial, diag);
}

/* A pass may leave a layer as it is, where the change would gain nothing. The file's bytes do not tell: the recipe is in
 * them. */
static bool has_changed(const struct lab *lab, const struct trial *t) {
    return t->distortion > 0 || t->bits != lab->trials[0]->bits || t->macs != lab->trials[0]->macs;
}

static int fill_curve(struct lab *lab, struct curve *curve, double hopeless, sensitivity_fn more,
                      void *arg, struct diag *diag) {
    const double *strengths = curve->technique->strengths;
    for (unsigned i = 0; i < technique_count(curve->technique) && more(arg); i++) {
        const struct trial *t;
        int r = try_strength(lab, curve, strengths[i], &t, diag);
        if (r)
            return r;
        if (!t->failed && has_changed(lab, t))
            curve->points[curve->n++] = (struct curve_point){strengths[i], t};
        if (!t->failed && t->drop >= hopeless)
            break;
    }
    return 0;
}

static bool applies(const struct lab *lab, const struct preset *preset,
                    const struct technique *technique, const struct layer *layer) {
    if (!layer_is_float(lab->graph, layer) ||
        (technique->can && !technique->can(lab->graph, layer)))
        return false;
    return !preset->leave || !preset->leave(lab->graph, &lab->layers, layer);
}

int sensitivity_run(struct lab *lab, const struct preset *preset, double hopeless,
                    sensitivity_fn more, void *arg, struct sensitivity *ret_sensitivity,
                    struct diag *diag) {
    size_t n_techniques = 0;
    while (preset->techniques[n_techniques])
        n_techniques++;
    struct sensitivity s = {
        .curves = calloc(MAX(n_techniques * lab->layers.n, (size_t)1), sizeof(*s.curves))};
    int r = s.curves ? 0 : err_origin(-ENOMEM);
    for (size_t t = 0; r == 0 && t < n_techniques; t++) {
        const struct technique *technique = technique_find(preset->techniques[t]);
        for (uint32_t i = 0; r == 0 && i < lab->layers.n; i++) {
            struct curve curve = {.technique = technique, .layer = i};
            if (applies(lab, preset, technique, &lab->layers.items[i]))
                r = fill_curve(lab, &curve, hopeless, more, arg, diag);
            if (curve.n)
                s.curves[s.n++] = curve;
        }
    }
    if (r) {
        sensitivity_deinit(&s);
        return r;
    }
    *ret_sensitivity = s;
    return 0;
}

cJSON *sensitivity_to_json(const struct sensitivity *s, const struct lab *lab) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < s->n; i++) {
        const struct curve *c = &s->curves[i];
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "layer", lab->layers.items[c->layer].name);
        cJSON_AddStringToObject(d, "technique", c->technique->name);
        cJSON *points = cJSON_AddArrayToObject(d, "points");
        for (unsigned k = 0; k < c->n; k++) {
            cJSON *point = cJSON_CreateObject();
            cJSON_AddNumberToObject(point, "strength", c->points[k].strength);
            cJSON_AddNumberToObject(point, "score", c->points[k].trial->score);
            cJSON_AddNumberToObject(point, "bytes", (double)c->points[k].trial->bytes);
            cJSON_AddItemToArray(points, point);
        }
        cJSON_AddItemToArray(list, d);
    }
    return list;
}
