/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a pass is: a name, its options as a table, and the function. The table is all there is: the recipe's reader, its
 * errors and the list that `edgectl compress --help-passes` prints come from it.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/compress.h"
#include "compress/layer.h"

enum field_kind {
    FIELD_NUMBER, /* double, between min and max, both included */
    FIELD_COUNT,  /* uint32_t, between min and max */
    FIELD_FLAG,   /* bool */
    FIELD_CHOICE, /* int: the place in `choices` */
    FIELD_TEXT,   /* const char * */
};

struct pass_field {
    const char *name; /* NULL ends the table */
    enum field_kind kind;
    size_t offset; /* in the pass's options */
    double min, max;
    double
        value; /* where the recipe says nothing; NAN: it has to; below min: none, the pass sees it */
    const char *const *choices; /* NULL-terminated */
    const char *help;
};

/* Texts of a recipe. */
struct pass_names {
    const char **items;
    size_t n;
};

/* The options of a pass begin with this, filled from the members `layers` and `except`: names, or patterns with `*`.
 * None means all that the pass can do something with. */
struct pass_scope {
    struct pass_names layers, except;
};

struct pass {
    const char *name;
    const char *summary;
    const struct pass_field *fields;
    size_t options_size;
    /* What the table cannot say; NULL: nothing. 0 or COMPRESS_E_INVALID, the diag begins with the field's name. */
    int (*check)(const void *options, struct diag *diag);
    /* 0, -ENOMEM, COMPRESS_E_INVALID; a positive code of the model or the runtime is never returned. */
    int (*run)(struct pass_context *context, const void *options);
};

/* NULL for an unknown name. */
const struct pass *pass_find(const char *name);
/* NULL-terminated, in the order in which they are best applied. */
extern const struct pass *const pass_list[];

/*
 * The layers that `scope` names, in execution order, in the graph's memory. A name that no layer has is an error; so is a
 * scope that leaves none. `can`, unless NULL, says whether the pass can work on a layer: patterns and an empty scope
 * pass over those it cannot, a plain name of one is an error that says `what` the pass works on.
 */
_nodiscard_ int pass_layers(struct pass_context *context, const struct pass_scope *scope,
                            bool (*can)(const struct graph *graph, const struct layer *layer),
                            const char *what, struct layers *ret_layers);
/* Calibration data is there, else an error that says who needs it. */
_nodiscard_ int pass_need_calibration(const struct pass_context *context);
/* What the model itself refuses, such as scales of a strange network, as an error of the layers. What graph_check()
 * gives, COMPRESS_E_INVALID for its positive codes. */
_nodiscard_ int pass_check_result(const struct pass_context *context);
