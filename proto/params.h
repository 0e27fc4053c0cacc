/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads a JSON object into a struct by a table and names the member that does not fit. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct cJSON;

enum param_type {
    PARAM_STRING, /* const char *, borrowed from the tree */
    PARAM_BOOL,   /* bool */
    PARAM_INT,    /* int64_t, not negative */
    PARAM_ARRAY,  /* const struct cJSON * */
    PARAM_OBJECT, /* const struct cJSON * */
    PARAM_ANY,    /* const struct cJSON * */
};

enum param_flags {
    PARAM_OPTIONAL = 0,
    PARAM_REQUIRED = 1,
};

struct param {
    const char *name;
    enum param_type type;
    enum param_flags flags;
    size_t offset; /* of the member in the struct */
};

enum {
    PARAMS_E_INVALID = 1,
};

/*
 * Members that are absent or null leave the struct alone; `object` may be NULL, which is empty. An unknown member is
 * refused unless `lenient`. 0, or PARAMS_E_INVALID with the member's name in *ret_bad (it lives in the tree or table).
 */
_nodiscard_ int params_read(const struct cJSON *object, const struct param *table, size_t n_table,
                            bool lenient, void *ret, const char **ret_bad);
