/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What each technique costs and gains in each layer, everything else staying float: curves of strength against score and
 * bytes. They are trials of a lab and live as long. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"
#include "compress/technique.h"

struct cJSON;
struct diag;
struct lab;
struct trial;

struct curve_point {
    double strength;
    const struct trial *trial; /* it ran, and it changed the network */
};

struct curve {
    const struct technique *technique;
    uint32_t layer; /* of the lab's */
    unsigned n;
    struct curve_point points[TECHNIQUE_MAX_STRENGTHS];
};

struct sensitivity {
    struct curve *curves; /* with at least one point each */
    size_t n;
};

/* Whether there is room for one more trial. */
typedef bool (*sensitivity_fn)(void *arg);

/*
 * All curves of the preset's techniques and of the layers it does not leave alone. A curve ends where the network is
 * clearly worthless: its drop is `hopeless`, or where `more` says so. -ENOMEM.
 */
_nodiscard_ int sensitivity_run(struct lab *lab, const struct preset *preset, double hopeless,
                                sensitivity_fn more, void *arg, struct sensitivity *ret_sensitivity,
                                struct diag *diag);
void sensitivity_deinit(struct sensitivity *s);

/* [{"layer", "technique", "points": [{"strength", "score", "bytes"}]}]. NULL where there is no memory. */
struct cJSON *sensitivity_to_json(const struct sensitivity *s, const struct lab *lab);
