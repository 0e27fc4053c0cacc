/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table of settings, for config.c. What is not in it does not exist.
 */

#include <stdbool.h>

struct config;
struct diag;

/* Whether any setting lives in [section]. */
bool settings_have_section(const char *section);
/* Checks the value and stores it. CONFIG_E_INVALID: `diag` says what is wrong, without a place. */
int settings_set(struct config *config, const char *section, const char *key, const char *value,
                 struct diag *diag);
