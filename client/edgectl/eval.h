/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of `edgectl eval` share: the network, the data set and the outputs. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/npy.h"
#include "client/edgectl/source.h"

struct cJSON;
struct ctl;

enum {
    EVAL_E_INVALID = 1, /* the data set does not fit; the diag says why */
};

enum metric {
    METRIC_TOP1,
    METRIC_AUC,
    METRIC_MSE,
};

struct eval {
    struct source *source;
    enum metric metric;
    const char *data;
    struct npy x, y;
    bool has_y;
    size_t n;         /* samples */
    uint8_t *outputs; /* n values of the first output */
    double seconds;
};

/* Reads x.npy and y.npy and checks that they fit the network and the metric. 0, a negative errno, EVAL_E_INVALID. */
_nodiscard_ int eval_read_x(struct eval *e, struct diag *diag);
_nodiscard_ int eval_read_y(struct eval *e, struct diag *diag);
/* Element i of y: an integer array as a class, any array as a real value. */
int64_t eval_label(const struct eval *e, size_t i);
double eval_target(const struct eval *e, size_t i);
/* The first output of sample i. */
const void *eval_output(const struct eval *e, size_t i);

/* A document with what every metric says. */
struct cJSON *eval_document(const struct eval *e, const char *metric);
/* The metrics other than top1: compute and print. Exit codes. */
int eval_auc(const struct ctl *ctl, const struct eval *e);
int eval_mse(const struct ctl *ctl, const struct eval *e);
