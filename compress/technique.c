/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the search.
 */

#include "compress/technique.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "model/graph.h"

/* ---- techniques ---- */

static bool is_dense(const struct graph *graph, const struct layer *layer) {
    return layer_op(graph, layer)->kind == OP_FULLY_CONNECTED && layer->out > 8;
}

static bool is_window(const struct graph *graph, const struct layer *layer) {
    const struct tensor *w = layer_weights(graph, layer);
    return layer_op(graph, layer)->kind == OP_CONV_2D && w->dims[1] * w->dims[2] > 1 &&
           w->dims[3] > 3;
}

static bool is_wide(const struct graph *graph, const struct layer *layer) {
    return !layer->depthwise && layer->out >= 8;
}

static const double sparsities[] = {0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0};
static const double block_sparsities[] = {0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0};
static const double fractions[] = {0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0};
static const double codebook_bits[] = {6, 5, 4, 3, 2, 0};
static const double energies[] = {0.99, 0.97, 0.95, 0.9, 0.8, 0};

static const struct technique techniques[] = {
    {"prune", "prune", AXIS_ZEROS, "sparsity", sparsities,
     "{\"criterion\":\"saliency\",\"reconstruct\":true}", "%.0f %% of the weights zero", 100, false,
     NULL},
    {"prune-blocks", "prune", AXIS_ZEROS, "sparsity", block_sparsities,
     "{\"pattern\":\"4x1\",\"criterion\":\"activation\",\"reconstruct\":true}",
     "%.0f %% of the weights zero in blocks of 4", 100, false, is_wide},
    {"prune-structure", "prune-structure", AXIS_SHAPE, "fraction", fractions,
     "{\"criterion\":\"reconstruction\",\"reconstruct\":true}", "%.1f %% of the channels removed",
     100, false, is_wide},
    {"cluster", "cluster", AXIS_VALUES, "bits", codebook_bits, "{\"importance\":\"activation\"}",
     "a codebook of %.0f bits", 1, false, NULL},
    {"svd", "svd", AXIS_SHAPE, "energy", energies, "{\"fit\":\"data\"}",
     "factors with %.0f %% of the energy", 100, true, is_dense},
    {"tucker", "tucker", AXIS_SHAPE, "energy", energies, "{\"fit\":\"data\"}",
     "Tucker factors with %.0f %% of the energy", 100, true, is_window},
    {"spatial-svd", "spatial-svd", AXIS_SHAPE, "energy", energies, "{\"fit\":\"data\"}",
     "rows and columns with %.0f %% of the energy", 100, true, is_window},
    {"channel-svd", "channel-svd", AXIS_SHAPE, "energy", energies, "{\"fit\":\"data\"}",
     "channel factors with %.0f %% of the energy", 100, true, is_window},
};

const struct technique *technique_find(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(techniques); i++)
        if (strcmp(techniques[i].name, name) == 0)
            return &techniques[i];
    return NULL;
}

unsigned technique_count(const struct technique *technique) {
    unsigned n = 0;
    while (technique->strengths[n] > 0)
        n++;
    return n;
}

cJSON *technique_step(const struct technique *technique, double strength, const char *const *layers,
                      size_t n) {
    cJSON *step = cJSON_Parse(technique->more);
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(layers[i]));
    if (!step || cJSON_GetArraySize(list) != (int)n ||
        !cJSON_AddItemToObject(step, "layers", list)) {
        cJSON_Delete(step);
        return NULL;
    }
    cJSON_AddNumberToObject(step, technique->option, strength);
    cJSON_AddStringToObject(step, "pass", technique->pass);
    return step;
}

/* ---- formats ---- */

static const struct format formats[] = {
    {"float", NULL, 28, true},
    {"int8", "{\"pass\":\"quantize\",\"calibration\":\"mse\",\"bias_correction\":true}", 6.6,
     false},
    {"int8, one scale per layer",
     "{\"pass\":\"quantize\",\"calibration\":\"mse\",\"granularity\":\"tensor\","
     "\"bias_correction\":true}",
     6, true},
    {"int8 weights", "{\"pass\":\"quantize-weights\",\"bits\":8,\"granularity\":\"channel\"}", 6.6,
     false},
    {"int4 weights",
     "{\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"group\",\"group\":32}", 4, false},
};

const struct format *format_at(unsigned i) {
    return i < ARRAY_SIZE(formats) ? &formats[i] : NULL;
}

cJSON *format_step(const struct format *format, const char *calibration) {
    cJSON *step = format->step ? cJSON_Parse(format->step) : NULL;
    if (step && calibration && cJSON_GetObjectItem(step, "calibration"))
        cJSON_ReplaceItemInObject(step, "calibration", cJSON_CreateString(calibration));
    return step;
}

/* ---- fixed recipes ---- */

#define INT8 "{\"pass\":\"quantize\",\"calibration\":\"mse\"}"
#define PRUNED(share)                                                                              \
    "{\"pass\":\"prune\",\"sparsity\":" share                                                      \
    ",\"criterion\":\"activation\",\"allocation\":\"global\",\"reconstruct\":true}"
#define CLUSTERED(bits) "{\"pass\":\"cluster\",\"bits\":" bits "}"

static const struct fixed_recipe fixed[] = {
    {"int8", "[" INT8 "]"},
    {"int8 weights", "[{\"pass\":\"quantize-weights\",\"bits\":8,\"granularity\":\"channel\"}]"},
    {"int4 weights in groups of 32",
     "[{\"pass\":\"quantize-weights\",\"bits\":4,\"granularity\":\"group\",\"group\":32}]"},
    {"prune 50 %, int8", "[" PRUNED("0.5") "," INT8 "]"},
    {"prune 80 %, int8", "[" PRUNED("0.8") "," INT8 "]"},
    {"cluster 5 bits", "[" CLUSTERED("5") "]"},
    {"cluster 4 bits", "[" CLUSTERED("4") "]"},
    {"prune 80 %, cluster 4 bits", "[" PRUNED("0.8") "," CLUSTERED("4") "]"},
    {"prune 80 %, cluster 5 bits", "[" PRUNED("0.8") "," CLUSTERED("5") "]"},
    {"prune 90 %, cluster 5 bits", "[" PRUNED("0.9") "," CLUSTERED("5") "]"},
};

const struct fixed_recipe *fixed_recipe_at(unsigned i) {
    return i < ARRAY_SIZE(fixed) ? &fixed[i] : NULL;
}

cJSON *fixed_recipe_json(const struct fixed_recipe *recipe, double seed) {
    cJSON *json = cJSON_CreateObject(), *steps = cJSON_Parse(recipe->steps);
    if (!json || !steps) {
        cJSON_Delete(json);
        cJSON_Delete(steps);
        return NULL;
    }
    cJSON_AddNumberToObject(json, "seed", seed);
    cJSON_AddItemToObject(json, "steps", steps);
    return json;
}

/* ---- presets ---- */

/* Few weights that read pixels: what is lost here nothing behind can make up for. */
static bool is_first(const struct graph *graph, const struct layers *layers,
                     const struct layer *layer) {
    return layer->name == layers->items[0].name;
}

/* Depthwise filters have a handful of weights for each channel, and none is like another. */
static bool is_depthwise(const struct graph *graph, const struct layers *layers,
                         const struct layer *layer) {
    return layer->depthwise;
}

static const char *const general_techniques[] = {"prune",       "cluster",     "prune-blocks",
                                                 "svd",         "tucker",      "prune-structure",
                                                 "spatial-svd", "channel-svd", NULL};
static const char *const image_techniques[] = {
    "prune", "cluster", "prune-blocks", "prune-structure", "spatial-svd", "tucker", "svd", NULL};
static const char *const audio_techniques[] = {"prune", "cluster", "prune-blocks",
                                               "prune-structure", NULL};
static const char *const sensor_techniques[] = {"svd", "prune", "cluster", "prune-blocks", NULL};

static const struct preset presets[] = {
    {"general", general_techniques, "mse", NULL, NULL},
    {"image", image_techniques, "mse", is_first,
     "the first layer of a network for images is left alone: it has few weights and reads pixels"},
    {"audio", audio_techniques, "mse", is_depthwise,
     "depthwise layers of a network for sound are left alone: they have few weights for each "
     "channel"},
    /* Sensors have outliers that are no signal. */
    {"sensor", sensor_techniques, "percentile", NULL, NULL},
};

const struct preset *preset_find(const char *name) {
    if (!name)
        return &presets[0];
    for (size_t i = 0; i < ARRAY_SIZE(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

const char *preset_names(void) {
    return "general, image, audio, sensor";
}
