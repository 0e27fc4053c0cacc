/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element types by name.
 */

#include "base/dtype.h"

#include <string.h>

enum dtype dtype_parse(const char *name) {
    for (enum dtype t = DTYPE_FP32; dtype_size(t); t++)
        if (strcmp(dtype_name(t), name) == 0)
            return t;
    return DTYPE_NONE;
}
