/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where recipes are tried: each on a copy of one float network, evaluated on one data set beside the float network itself.
 * Every trial is kept; the same recipe runs once. One thread; a trial starts its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/dataset.h"
#include "compress/evaluate.h"
#include "compress/layer.h"

struct cJSON;
struct recipe;

struct lab_options {
    enum metric metric;
    const char *input; /* the file that histories name; NULL: none */
    uint64_t seed;     /* of every recipe */
    unsigned threads;
    enum tier tier;
    double latency_seconds; /* how long each trial's latency is measured */

    double max_drop;  /* as evaluation_drop(); NAN: any */
    double margin;    /* standard errors of the wide drop that have to fit in the budget with it */
    size_t max_bytes; /* 0: any */
    double max_latency_us; /* 0: any */
};

struct trial {
    char *label;
    struct cJSON *recipe;
    char *failed; /* why it could not be run; NULL: it was, and the figures are there */
    double score, drop;
    double drop_error; /* standard error of the drop */
    /* The drop and its standard error over validation data and witnesses together; NAN: not looked at. */
    double wide_drop, wide_error;
    double distortion; /* squared change of the outputs, relative to their variance */
    size_t bytes;      /* as a file, its history included */
    uint64_t bits;     /* of all weights, uncoded */
    uint64_t macs;     /* effective */
    double latency_us;
    bool accurate, small, fast; /* each of the budgets */
    bool feasible;              /* all of them */
};

struct lab {
    struct lab_options options;
    struct graph *graph; /* float; its layers have names */
    struct layers layers;
    const struct dataset *calibration, *validation;
    struct evaluation base;
    /* Labelled calibration samples, for the budget of accuracy only: one validation set is small, and the best of many
     * networks is best there by luck too. n is 0 where there are none. */
    struct dataset witnesses;
    struct evaluation witnesses_base;
    float *outputs; /* of the float network, real values */
    size_t n_outputs;
    double variance;
    struct trial **trials; /* the first is the float network itself: no steps */
    size_t n_trials;
};

/* Evaluates the float network. -ENOMEM, COMPRESS_E_INVALID. */
_nodiscard_ int lab_init(struct lab *lab, const struct lab_options *options,
                         const struct graph *graph, const struct dataset *calibration,
                         const struct dataset *validation, struct diag *diag);
void lab_deinit(struct lab *lab);
/* Tries a list of steps, which it takes over; the result is good as long as the lab. A recipe that cannot be run is a
 * trial that failed. -ENOMEM. */
_nodiscard_ int lab_try(struct lab *lab, const char *label, struct cJSON *steps,
                        const struct trial **ret_trial, struct diag *diag);

/* [{"label", "recipe", "score", "bytes", "latency_us", "drop", "feasible", "chosen"}] of the trials that ran. NULL where
 * there is no memory. */
struct cJSON *lab_to_json(const struct lab *lab, const struct trial *chosen);
