/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The `.edge` container (docs/model-format.md): one network in one file. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

struct buffer;
struct diag;
struct graph;
struct map;

#define CONTAINER_MAX_BYTES ((size_t)512 << 20)

/* Whether the bytes begin like a container (or too short to say). */
bool container_probe(const void *data, size_t size);

/*
 * A checked view of `map`, whose data is aligned to 64 as a mapping is. The graph's constants point into it and the graph
 * takes it over (also *map becomes empty); on failure the map stays the caller's. The number of allocations does not
 * depend on the number of tensors.
 * 0, -ENOMEM, MODEL_E_INVALID (the diag says which part), MODEL_E_UNSUPPORTED (a newer version or segment encoding).
 */
_nodiscard_ int container_read(struct map *map, struct graph **ret_graph, struct diag *diag);

/* Appends the file's bytes. The same graph gives the same bytes. -ENOMEM, -EMSGSIZE, MODEL_E_INVALID. */
_nodiscard_ int container_write(const struct graph *graph, struct buffer *buffer,
                                struct diag *diag);
