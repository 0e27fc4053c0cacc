/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How many components a decomposed layer gets: the options that passes share, and what they mean. Thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/pass.h"

struct diag;

/* Exactly one is given. */
struct rank_options {
    uint32_t rank; /* 0: not given */
    double energy; /* 0: not given */
    double macs;   /* 0: not given */
    int ranks;     /* a place in rank_methods, -1: not given */
};

extern const char *const rank_methods[];

/* Rows of a pass's table; `type` is its options, which have a member `rank`. */
#define RANK_FIELDS(type)                                                                          \
    {"rank",                                                                                       \
     FIELD_COUNT,                                                                                  \
     offsetof(type, rank.rank),                                                                    \
     1,                                                                                            \
     65536,                                                                                        \
     0,                                                                                            \
     NULL,                                                                                         \
     "components that are kept; at most as many as the layer's matrix has"},                       \
        {"energy",                                                                                 \
         FIELD_NUMBER,                                                                             \
         offsetof(type, rank.energy),                                                              \
         0.01,                                                                                     \
         1,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "as many components as hold this share of the sum of squared singular values"},           \
        {"macs",                                                                                   \
         FIELD_NUMBER,                                                                             \
         offsetof(type, rank.macs),                                                                \
         0.01,                                                                                     \
         1,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "as many components as cost at most this share of the layer's MACs"},                     \
    {                                                                                              \
        "ranks", FIELD_CHOICE, offsetof(type, rank.ranks), 0, 0, -1, rank_methods,                 \
            "vbmf: as many components as are more than noise, by empirical variational Bayesian "  \
            "matrix factorization of the weights"                                                  \
    }

/* Exactly one of them is given. 0 or COMPRESS_E_INVALID. */
_nodiscard_ int rank_check(const struct rank_options *options, struct diag *diag);
/* The fewest of the n descending values whose squares make up the share of all; at least 1. */
uint32_t rank_of_energy(const double *s, size_t n, double share);
