/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A folder with x.npy and, where there are labels, y.npy: the first axis is the samples. Read-only once it is open: any
 * number of threads.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/npy.h"

struct diag;
struct graph;
struct port;
struct tensor;

struct dataset {
    const char *path; /* as given */
    struct npy x, y;
    bool has_y;
    size_t n;          /* samples */
    size_t per_sample; /* values of x */
};

/* Both files; y may be missing. Real values are finite: others are an error. 0, a negative errno, COMPRESS_E_INVALID. */
_nodiscard_ int dataset_open(const char *path, struct dataset *ret_dataset, struct diag *diag);
void dataset_deinit(struct dataset *dataset);
/* Whether its samples are the values of the network's only input; `what` ("--calibrate") names it in the error. 0 or
 * COMPRESS_E_INVALID. */
_nodiscard_ int dataset_check(const struct dataset *dataset, const struct graph *graph,
                              const char *what, struct diag *diag);

/* Sample i as the port's values. 0 or -EINVAL. */
_nodiscard_ int dataset_input(const struct dataset *dataset, size_t i, const struct port *port,
                              void *ret_values);
/* Element i of y: an integer array as a class, any array as a real value. */
int64_t dataset_label(const struct dataset *dataset, size_t i);
double dataset_target(const struct dataset *dataset, size_t i);

/* The samples of these numbers, in this order, in memory of its own; the path stays the whole one's. -ENOMEM. */
_nodiscard_ int dataset_take(const struct dataset *dataset, const size_t *samples, size_t n,
                             struct dataset *ret_dataset);
