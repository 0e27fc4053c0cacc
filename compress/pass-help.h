/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The passes' option tables for people: what `edgectl compress --help-passes` prints and docs/recipes.md holds. Any
 * thread.
 */

#include "compress/pass.h"

struct cJSON;

#define PASS_HELP_MAX 256

/* "a number from 0 to 1", "one of a, b, c" … and "0.5", "true", "none", "required", in a buffer of PASS_HELP_MAX. */
const char *pass_help_values(const struct pass_field *field, char *ret);
const char *pass_help_default(const struct pass_field *field, char *ret);

/* [{"name", "summary", "options": [{"name", "values", "default", "help"}]}] for the caller to delete; NULL where there is
 * no memory. */
struct cJSON *pass_help_json(void);
