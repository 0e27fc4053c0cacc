/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A layer as a sequence of smaller ones: what the decompositions share. A method says which shapes the parts have, and
 * what they are together; the rest (choosing ranks, fitting on data, changing the graph, the summary) is done here.
 *
 * Matrices are row major, in double precision. Kernels are [out][kh][kw][in] as in the graph; a dense layer is one with
 * kh = kw = 1. Functions return 0, -ENOMEM or COMPRESS_E_INVALID with a diag. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/layer.h"
#include "compress/pass.h"
#include "compress/rank.h"
#include "model/graph.h"

struct moments;

#define FACTOR_MAX_PARTS 3
#define FACTOR_MAX_MODES 2

/* One of the layers that take the place of the old one; named a, b, c. */
struct factor_part {
    enum op_kind kind;
    uint8_t n_dims;
    int32_t dims[4]; /* of its weights, as the graph wants them */
    struct op_conv conv;
    size_t n;       /* weights */
    double *values; /* [n] */
};

/* Singular values of the matrix that one rank is about. */
struct factor_mode {
    size_t rows, cols;
    double *s;       /* [full], descending */
    double *vectors; /* the method's own */
    uint32_t full;   /* the rank that keeps everything */
    uint32_t rank;   /* chosen */
};

struct factor {
    struct pass_context *context;
    struct layer layer;
    uint32_t out, kh, kw, in, depth; /* depth = kh kw in */
    struct op_conv conv;             /* zeros for a dense layer */
    double *w;                       /* [out][depth] */
    /* Of what the layer reads, in the order of its weights: NULL where the weights alone are fitted. */
    double *mean, *covariance; /* [depth], [depth][depth] */
    struct factor_mode modes[FACTOR_MAX_MODES];
    unsigned n_modes;
    struct factor_part parts[FACTOR_MAX_PARTS];
    unsigned n_parts;
};

enum factor_fit {
    FACTOR_WEIGHTS,
    FACTOR_DATA,
};

struct factor_options {
    struct pass_scope scope;
    struct rank_options rank;
    uint32_t rank_out; /* of the second mode; 0: in proportion */
    int fit;
    uint32_t samples;
};

struct factor_method {
    bool (*can)(const struct graph *graph, const struct layer *layer);
    const char *what;      /* "a k x k convolution without groups" */
    const char *rank_name; /* of the option */
    /* Fills the modes but for their ranks. `data`: the spectrum of the outputs shall decide, where the method knows it. */
    int (*analyse)(struct factor *f, bool data);
    /* Kinds, dims and parameters of the parts for the ranks chosen. */
    void (*shape)(struct factor *f);
    /* Values of the parts. */
    int (*solve)(struct factor *f);
    /* w [out][depth] of the parts together; linear in each of them. */
    int (*expand)(const struct factor *f, double *ret_w);
    /* The adjoint of expand() in one part: [parts[part].n] from g [out][depth]. NULL where solve() fits the data. */
    int (*adjoint)(const struct factor *f, unsigned part, const double *g, double *ret_part);
};

extern const char *const factor_fits[];

#define FACTOR_FIT_FIELDS(type)                                                                    \
    {"fit",                                                                                        \
     FIELD_CHOICE,                                                                                 \
     offsetof(type, fit),                                                                          \
     0,                                                                                            \
     0,                                                                                            \
     FACTOR_WEIGHTS,                                                                               \
     factor_fits,                                                                                  \
     "weights: as near to the layer's weights as can be; data: as near to its outputs on "         \
     "calibration data, the bias corrected (much better without training)"},                       \
    {                                                                                              \
        "samples", FIELD_COUNT, offsetof(type, samples), 1, 1e6, 512, NULL,                        \
            "calibration samples that fit: data looks at"                                          \
    }

/* The table and its check for passes whose options are these and no others. */
extern const struct pass_field factor_fields[];
_nodiscard_ int factor_check(const void *options, struct diag *diag);

/* The whole pass: each layer in scope is decomposed where that lowers its MACs. */
_nodiscard_ int factor_run(struct pass_context *context, const struct factor_options *options,
                           const struct factor_method *method);

/* ---- for methods ---- */

/* A float convolution without groups with a window of more than one position. */
bool factor_can_window(const struct graph *graph, const struct layer *layer);
/* Part i: a convolution with these dims, or a dense layer where there are two. */
void factor_set_conv(struct factor *f, unsigned i, enum op_kind kind, uint32_t d0, uint32_t d1,
                     uint32_t d2, uint32_t d3);
void factor_set_dense(struct factor *f, unsigned i, uint32_t out, uint32_t depth);
/* Makes component k of parts 0 and 1, which only their product fixes, equally large in both. */
void factor_balance(struct factor *f, uint32_t n_components);

/* ---- inside ---- */

/* Alternating least squares by conjugate gradients, from the parts' values on. factor-fit.c */
_nodiscard_ int factor_fit(struct factor *f, const struct factor_method *method);
/* Squared error of the outputs, or of the weights, as a share of theirs. */
_nodiscard_ int factor_error(const struct factor *f, const double *w, double *ret_share);
/* MACs of the parts. factor-build.c */
uint64_t factor_macs(const struct factor *f);
/* Puts the parts in the layer's place; `bias` (or NULL): what to add to its bias, [out]. */
_nodiscard_ int factor_apply(struct factor *f, const double *bias);
