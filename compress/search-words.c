/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choices in words.
 */

#include "compress/search-words.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "compress/lab.h"
#include "compress/mix.h"

#define WHY_MAX 400

static void add_choice(cJSON *list, const char *layer, const char *technique,
                       const double *strength, const char *why) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "layer", layer);
    cJSON_AddStringToObject(d, "technique", technique);
    if (strength)
        cJSON_AddNumberToObject(d, "strength", *strength);
    else
        cJSON_AddNullToObject(d, "strength");
    cJSON_AddStringToObject(d, "why", why);
    cJSON_AddItemToArray(list, d);
}

static const char *drop_unit(const struct lab *lab) {
    return lab->options.metric == METRIC_MSE ? "% of error" : "points";
}

static void explain_pick(cJSON *list, const struct pick *pick, const struct lab *lab) {
    const struct curve *c = pick->curve;
    const struct technique *t = c->technique;
    const struct curve_point *p = &c->points[pick->point];
    char why[WHY_MAX], what[100];
    long saved = (long)lab->trials[0]->bytes - (long)p->trial->bytes;
    snprintf(what, sizeof(what), t->unit, p->strength * t->factor);
    size_t used =
        (size_t)snprintf(why, sizeof(why), "%s: alone it saves %ld bytes and costs %.2f %s", what,
                         saved, p->trial->drop, drop_unit(lab));
    if (pick->point + 1 < c->n)
        snprintf(why + used, sizeof(why) - used, "; the next strength, %g, costs %.2f alone",
                 c->points[pick->point + 1].strength, c->points[pick->point + 1].trial->drop);
    add_choice(list, lab->layers.items[c->layer].name, t->name, &p->strength, why);
}

/* The gentlest change that was tried in a layer that is left as it is. */
static void explain_none(cJSON *list, uint32_t layer, const struct mix_space *space) {
    const struct lab *lab = space->lab;
    const struct preset *preset = space->preset;
    const struct layer *l = &lab->layers.items[layer];
    char why[WHY_MAX];
    snprintf(why, sizeof(why), "no technique can change it");
    for (size_t i = 0; i < space->sensitivity->n; i++) {
        const struct curve *c = &space->sensitivity->curves[i];
        if (c->layer != layer)
            continue;
        snprintf(why, sizeof(why),
                 "nothing that was tried gains enough for what it costs; %s %g alone saves %ld "
                 "bytes and costs %.2f %s",
                 c->technique->name, c->points[0].strength,
                 (long)lab->trials[0]->bytes - (long)c->points[0].trial->bytes,
                 c->points[0].trial->drop, drop_unit(lab));
        break;
    }
    if (preset->leave && preset->leave(lab->graph, &lab->layers, l))
        snprintf(why, sizeof(why), "%s", preset->left_why);
    add_choice(list, l->name, "none", NULL, why);
}

static void explain_format(cJSON *list, const struct mix *mix, const struct lab *lab,
                           const struct trial *trial) {
    char why[WHY_MAX];
    const struct trial *base = lab->trials[0];
    snprintf(why, sizeof(why),
             "with all of the above the network has %zu bytes of %zu, %.1f us of %.1f, and its "
             "drop is %.2f %s on the validation data",
             trial->bytes, base->bytes, trial->latency_us, base->latency_us, trial->drop,
             drop_unit(lab));
    add_choice(list, "*", mix->format->name, NULL, why);
}

cJSON *search_explain_mix(const struct mix *mix, const struct mix_space *space,
                          const struct trial *trial) {
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < space->lab->layers.n; i++) {
        bool any = false;
        for (unsigned a = 0; a < N_AXES; a++) {
            const struct pick *pick = &mix->layers[i].picks[a];
            if (pick->curve)
                explain_pick(list, pick, space->lab);
            any = any || pick->curve;
        }
        if (!any)
            explain_none(list, i, space);
    }
    explain_format(list, mix, space->lab, trial);
    return list;
}

cJSON *search_explain_fixed(const struct trial *trial) {
    cJSON *list = cJSON_CreateArray();
    add_choice(list, "*", trial->label, NULL,
               "no choice layer by layer that was tried is better than the same for all of them");
    return list;
}
