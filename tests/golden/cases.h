/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The reference outputs: which files belong together and how close a result must be. One thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

#define GOLDEN_MAX_PATH 4096

/* One set of inputs of one network. */
struct golden_case {
    char name[160];                /* "kws_int8/main" */
    char network[GOLDEN_MAX_PATH]; /* .tflite */
    char inputs[GOLDEN_MAX_PATH], outputs[GOLDEN_MAX_PATH];
    size_t n;           /* runs */
    bool consecutive;   /* the state goes on from run to run */
    size_t output_size; /* bytes of one run's outputs */
    bool is_float;
    double bound; /* float: of the largest magnitude in a row, or absolute after softmax */
    bool absolute;
    bool on_average; /* the bound is one on the mean difference of all values */
};

struct golden_cases {
    struct golden_case *cases;
    size_t n;
};

/* Reads tests/golden/ops and, where it is there, the shared folder's golden/. Exits with a message on a broken one:
 * these files are the test's own. */
void golden_cases_read(const char *ops_dir, const char *shared, struct golden_cases *ret_cases);
void golden_cases_free(struct golden_cases *cases);

/* Whether `n` runs of outputs agree with the reference; prints the first difference. */
bool golden_compare(const struct golden_case *c, size_t n, const void *got, const void *want);
