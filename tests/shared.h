/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The folder with real networks, reference outputs and data sets that tests use where it is present: $EDGED_SHARED, else
 * `shared` beside the source tree.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline const char *shared_dir(void) {
    const char *dir = getenv("EDGED_SHARED");
    return dir && *dir ? dir : EDGED_SHARED_DEFAULT;
}

/* Whether `name` under the shared folder is there. Says so on stdout where it is not: a test then counts as skipped. */
static inline bool shared_present(const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", shared_dir(), name);
    if (access(path, R_OK) == 0)
        return true;
    printf("SKIPPED: %s is not there\n", path);
    return false;
}
