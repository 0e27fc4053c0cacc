/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A network from a file, .edge or .tflite, told apart by content. Thread-safe.
 */

#include <stddef.h>

#include "base/attributes.h"

struct diag;
struct graph;

/* Reads, checks. ret_bytes (or NULL): the size of the file. 0, a negative errno of reading, MODEL_E_INVALID,
 * MODEL_E_UNSUPPORTED; the diag begins with the path. */
_nodiscard_ int netfile_read(const char *path, struct graph **ret_graph, size_t *ret_bytes,
                             struct diag *diag);
