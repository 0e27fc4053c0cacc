/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A technique and a strength for every layer, and a number format: what the search chooses among. What a mix costs and
 * loses is estimated from the curves of single layers, adding up; only a trial knows. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/sensitivity.h"

struct cJSON;

/* A point of a curve; none where the curve is NULL. */
struct pick {
    const struct curve *curve;
    unsigned point;
};

struct mix_layer {
    struct pick picks[N_AXES];
};

struct mix {
    const struct format *format;
    bool reshapes;            /* AXIS_SHAPE may be used */
    struct mix_layer *layers; /* as many as the lab has */
};

/* What mixes are made of. */
struct mix_space {
    const struct lab *lab;
    const struct sensitivity *sensitivity;
    const struct preset *preset;
    bool latency; /* costs are nanoseconds, else bytes */
};

/* Nothing but the format. -ENOMEM. */
_nodiscard_ int mix_init(struct mix *mix, const struct mix_space *space,
                         const struct format *format, bool reshapes);
/* `to` becomes like `from`. */
void mix_take(struct mix *to, const struct mix_space *space, const struct mix *from);
void mix_deinit(struct mix *mix);

/* Gives each layer the picks with the least cost + lambda * distortion. */
void mix_choose(struct mix *mix, const struct mix_space *space, double lambda);
/* Estimates for one layer: bytes or nanoseconds (from an origin of its own), and relative distortion. */
double mix_cost(const struct mix *mix, const struct mix_space *space, uint32_t layer);
double mix_distortion(const struct mix_layer *layer);
/* The next point of this axis, one step stronger or gentler than `pick`; false where there is none. Stronger than none is
 * the gentlest of the layer's first curve, gentler than that is none. */
bool mix_step(const struct mix *mix, const struct mix_space *space, uint32_t layer, enum axis axis,
              bool stronger, struct pick *pick);

/* The steps of a recipe; layers that get the same share one. NULL where there is no memory. */
struct cJSON *mix_steps(const struct mix *mix, const struct mix_space *space);
