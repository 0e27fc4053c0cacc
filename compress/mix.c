/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mixes, their estimates and their recipes.
 *
 * Choosing picks for a price of distortion is the bit allocation of Shoham and Gersho (1988): for every lambda the best
 * mix is the best of each layer alone, since estimates add up over layers.
 */

#include "compress/mix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "compress/lab.h"
#include "model/graph.h"

int mix_init(struct mix *mix, const struct mix_space *space, const struct format *format,
             bool reshapes) {
    struct mix_layer *layers = calloc(MAX(space->lab->layers.n, 1U), sizeof(*layers));
    if (!layers)
        return err_origin(-ENOMEM);
    *mix = (struct mix){format, reshapes, layers};
    return 0;
}

void mix_take(struct mix *to, const struct mix_space *space, const struct mix *from) {
    to->format = from->format;
    to->reshapes = from->reshapes;
    memcpy(to->layers, from->layers, space->lab->layers.n * sizeof(*to->layers));
}

void mix_deinit(struct mix *mix) {
    free(mix->layers);
    *mix = (struct mix){0};
}

/* ---- estimates ---- */

static const struct trial *pick_trial(const struct pick *pick) {
    return pick->curve ? pick->curve->points[pick->point].trial : NULL;
}

static double pick_strength(const struct pick *pick) {
    return pick->curve->points[pick->point].strength;
}

double mix_distortion(const struct mix_layer *layer) {
    double sum = 0;
    for (unsigned a = 0; a < N_AXES; a++)
        if (layer->picks[a].curve)
            sum += pick_trial(&layer->picks[a])->distortion;
    return sum;
}

/* Latencies of the single changes add up, where they are above the noise. */
static double latency_cost(const struct mix_layer *layer, const struct mix_space *space) {
    double base = space->lab->trials[0]->latency_us, sum = 0;
    for (unsigned a = 0; a < N_AXES; a++)
        if (layer->picks[a].curve)
            sum += pick_trial(&layer->picks[a])->latency_us - base;
    return 1e3 * sum;
}

static double entropy(double p) {
    return p > 0 && p < 1 ? -p * log2(p) - (1 - p) * log2(1 - p) : 0;
}

/* What an entropy coder needs: where the zeros are, and the values of the others. */
static double byte_cost(const struct mix *mix, const struct mix_space *space, uint32_t i) {
    const struct mix_layer *layer = &mix->layers[i];
    const struct pick *shape = &layer->picks[AXIS_SHAPE], *zeros = &layer->picks[AXIS_ZEROS];
    const struct pick *values = &layer->picks[AXIS_VALUES];
    const struct tensor *w = layer_weights(space->lab->graph, &space->lab->layers.items[i]);
    double n = (double)tensor_elements(w), density = 1, bits = mix->format->bits;
    if (shape->curve) {
        double saved = (double)space->lab->trials[0]->bytes - (double)pick_trial(shape)->bytes;
        n = fmax(n - saved * 8 / 28, 0);
    }
    if (zeros->curve)
        density = 1 - pick_strength(zeros);
    if (values->curve)
        bits = fmin(bits, pick_strength(values) - 0.3); /* codes are not equally frequent */
    return n * (entropy(density) + density * bits) / 8;
}

double mix_cost(const struct mix *mix, const struct mix_space *space, uint32_t layer) {
    return space->latency ? latency_cost(&mix->layers[layer], space) : byte_cost(mix, space, layer);
}

/* ---- choosing ---- */

/* Whether the mix may have it, and it survives the format. */
static bool allows(const struct mix *mix, const struct technique *technique) {
    return (technique->axis != AXIS_VALUES || mix->format->keeps_values) &&
           (technique->axis != AXIS_SHAPE || mix->reshapes);
}

/* The next pick of an axis in the order of all curves of the layer: none first. False beyond the last. */
static bool next_pick(const struct mix *mix, const struct mix_space *space, uint32_t layer,
                      enum axis axis, struct pick *pick) {
    const struct sensitivity *s = space->sensitivity;
    if (pick->curve && pick->point + 1 < pick->curve->n) {
        pick->point++;
        return true;
    }
    size_t from = pick->curve ? (size_t)(pick->curve - s->curves) + 1 : 0;
    for (size_t i = from; i < s->n; i++) {
        const struct curve *c = &s->curves[i];
        if (c->layer == layer && c->technique->axis == axis && allows(mix, c->technique)) {
            *pick = (struct pick){c, 0};
            return true;
        }
    }
    *pick = (struct pick){0};
    return false;
}

/* The next combination, as an odometer counts. */
static bool next_layer(const struct mix *mix, const struct mix_space *space, uint32_t i,
                       struct mix_layer *layer) {
    for (unsigned a = 0; a < N_AXES; a++)
        if (next_pick(mix, space, i, (enum axis)a, &layer->picks[a]))
            return true;
    return false;
}

void mix_choose(struct mix *mix, const struct mix_space *space, double lambda) {
    for (uint32_t i = 0; i < space->lab->layers.n; i++) {
        struct mix_layer best = {0}, *layer = &mix->layers[i];
        double least = INFINITY;
        *layer = best;
        do {
            double cost = mix_cost(mix, space, i) + lambda * mix_distortion(layer);
            if (cost < least) {
                least = cost;
                best = *layer;
            }
        } while (next_layer(mix, space, i, layer));
        *layer = best;
    }
}

bool mix_step(const struct mix *mix, const struct mix_space *space, uint32_t layer, enum axis axis,
              bool stronger, struct pick *pick) {
    if (!pick->curve)
        return stronger && next_pick(mix, space, layer, axis, pick);
    if (stronger && pick->point + 1 >= pick->curve->n)
        return false;
    if (stronger)
        pick->point++;
    else if (pick->point > 0)
        pick->point--;
    else
        *pick = (struct pick){0};
    return true;
}

/* ---- recipes ---- */

static bool same_pick(const struct pick *a, const struct pick *b) {
    return a->curve && b->curve && a->curve->technique == b->curve->technique &&
           pick_strength(a) == pick_strength(b);
}

/* The layer, or its parts where it is split before. */
static char *layer_pattern(const struct mix *mix, const struct mix_space *space, uint32_t i,
                           enum axis axis) {
    const char *name = space->lab->layers.items[i].name;
    const struct curve *shape = mix->layers[i].picks[AXIS_SHAPE].curve;
    bool split = axis != AXIS_SHAPE && shape && shape->technique->splits;
    char pattern[GRAPH_MAX_NAME + 3];
    snprintf(pattern, sizeof(pattern), "%s%s", name, split ? ".*" : "");
    return strdup(pattern);
}

/* A step for all layers that have the pick of layer `first`; nothing where an earlier layer has it. */
static int add_step(cJSON *steps, const struct mix *mix, const struct mix_space *space,
                    uint32_t first, enum axis axis) {
    const struct pick *pick = &mix->layers[first].picks[axis];
    uint32_t n_layers = space->lab->layers.n;
    for (uint32_t i = 0; i < first; i++)
        if (same_pick(pick, &mix->layers[i].picks[axis]))
            return 0;
    char **names = calloc(n_layers, sizeof(*names));
    size_t n = 0;
    bool complete = names != NULL;
    for (uint32_t i = first; complete && i < n_layers; i++)
        if (same_pick(pick, &mix->layers[i].picks[axis]))
            complete = (names[n++] = layer_pattern(mix, space, i, axis)) != NULL;
    cJSON *step = complete ? technique_step(pick->curve->technique, pick_strength(pick),
                                            (const char *const *)names, n)
                           : NULL;
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return step && cJSON_AddItemToArray(steps, step) ? 0 : err_origin(-ENOMEM);
}

cJSON *mix_steps(const struct mix *mix, const struct mix_space *space) {
    cJSON *steps = cJSON_CreateArray();
    int r = steps ? 0 : err_origin(-ENOMEM);
    for (unsigned a = 0; a < N_AXES; a++)
        for (uint32_t i = 0; r == 0 && i < space->lab->layers.n; i++)
            if (mix->layers[i].picks[a].curve)
                r = add_step(steps, mix, space, i, (enum axis)a);
    if (r == 0 && mix->format->step) {
        cJSON *last = format_step(mix->format, space->preset->calibration);
        r = last && cJSON_AddItemToArray(steps, last) ? 0 : err_origin(-ENOMEM);
    }
    if (r == 0)
        return steps;
    cJSON_Delete(steps);
    return NULL;
}
