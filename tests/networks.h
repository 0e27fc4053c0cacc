/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The .tflite files under the shared folder, and the one-operator networks of tests/golden/ops, for tests that go through
 * all of them.
 */

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/shared.h"

/* Fills `ret_list` with the files, sorted; without the shared folder, only what the project has. globfree() it. */
static inline void networks_find(glob_t *ret_list, bool with_ops) {
    static const char *const patterns[] = {"models/*/*.tflite", "models/*/*/*.tflite",
                                           "golden/[!o]*/*.tflite"};
    int flags = 0;
    memset(ret_list, 0, sizeof(*ret_list));
    for (size_t i = 0; i < 3; i++) {
        char pattern[4096];
        snprintf(pattern, sizeof(pattern), "%s/%s", shared_dir(), patterns[i]);
        glob(pattern, flags, NULL, ret_list);
        flags = GLOB_APPEND;
    }
    if (ret_list->gl_pathc == 0)
        printf("SKIPPED: no networks under %s\n", shared_dir());
    if (with_ops)
        glob(EDGED_SOURCE "/tests/golden/ops/*.tflite", flags, NULL, ret_list);
}
