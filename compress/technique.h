/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the search may do to a network, as tables: techniques that one layer gets at some strength, number formats that the
 * whole network gets last, fixed recipes to begin with, and presets by kind of data. Everything becomes steps of a recipe.
 * Constant data: any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "compress/layer.h"

struct cJSON;
struct graph;

/* A layer gets at most one technique of each axis, in this order. */
enum axis {
    AXIS_SHAPE,  /* the layer becomes another, or several */
    AXIS_ZEROS,  /* weights become zero */
    AXIS_VALUES, /* weights share values */
    N_AXES,
};

#define TECHNIQUE_MAX_STRENGTHS 12

struct technique {
    const char *name, *pass;
    enum axis axis;
    const char *option;      /* of the pass, which the strength is the value of */
    const double *strengths; /* the gentlest first, 0 ends the list */
    const char *more;        /* its other options, JSON */
    const char *unit;        /* "%.0f %% of the weights zero" of the strength times `factor` */
    double factor;
    bool splits; /* the layer's name becomes the beginning of its parts' names */
    bool (*can)(const struct graph *graph, const struct layer *layer);
};

/* The numbers a network computes with. */
struct format {
    const char *name;
    const char *step;  /* JSON, without "except"; NULL: it stays float */
    double bits;       /* a weight costs about, coded */
    bool keeps_values; /* weights that are equal stay equal: codebooks survive */
};

struct fixed_recipe {
    const char *label, *steps; /* JSON */
};

struct preset {
    const char *name;
    const char *const *techniques; /* names, NULL-terminated, those tried first come first */
    const char *calibration;       /* of activations: a value of the pass quantize */
    bool (*leave)(const struct graph *graph, const struct layers *layers,
                  const struct layer *layer);
    const char *left_why; /* why those are left alone */
};

/* NULL for an unknown name; NULL asks for the one without assumptions, "general". */
const struct preset *preset_find(const char *name);
/* "image, audio, sensor" for messages. */
const char *preset_names(void);

/* NULL for an unknown one. */
const struct technique *technique_find(const char *name);
unsigned technique_count(const struct technique *technique);
/* One step for these layers, patterns included: an object, or NULL where there is no memory. */
struct cJSON *technique_step(const struct technique *technique, double strength,
                             const char *const *layers, size_t n);

/* NULL beyond the last. */
const struct format *format_at(unsigned i);
/* The step, or NULL for float or where there is no memory. `calibration` replaces its value where it has one. */
struct cJSON *format_step(const struct format *format, const char *calibration);
/* The same for fixed recipes. */
const struct fixed_recipe *fixed_recipe_at(unsigned i);
/* The whole recipe. */
struct cJSON *fixed_recipe_json(const struct fixed_recipe *fixed, double seed);
