/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The `.edge` container (docs/model-format.md): one network in one file. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct buffer;
struct diag;
struct graph;
struct map;

#define CONTAINER_MAX_BYTES ((size_t)512 << 20)

/* Whether the bytes begin like a container (or too short to say). */
bool container_probe(const void *data, size_t size);

/*
 * A checked view of `map`, whose data is aligned to 64 as a mapping is. The graph's constants point into it and the
 * graph takes it over (also *map becomes empty); on failure the map stays the caller's. What is coded in the file
 * is decoded once, into memory that goes with the graph. The number of allocations does not depend on the number of
 * tensors.
 * 0, -ENOMEM, MODEL_E_INVALID (the diag says which part), MODEL_E_UNSUPPORTED (a newer version or segment encoding).
 */
_nodiscard_ int container_read(struct map *map, struct graph **ret_graph, struct diag *diag);

/* How a tensor's data are stored. Zero and NULL where it has none (or, in files of other writers, shares a piece). */
struct container_stored {
    size_t bytes; /* of the file */
    const char *
        method; /* "plain", "entropy", "codebook" or "zstd"; "sparse " before it where zeros are left out */
};

/* What each of the first `n` tensors of a file takes in it. The map stays the caller's. Errors as container_read(). */
_nodiscard_ int container_stored(const struct map *map, struct container_stored *ret_stored,
                                 uint32_t n, struct diag *diag);

/* Appends the file's bytes: of each constant the smallest form there is. The same graph gives the same bytes with the
 * same libzstd. -ENOMEM, -EMSGSIZE, MODEL_E_INVALID. */
_nodiscard_ int container_write(const struct graph *graph, struct buffer *buffer,
                                struct diag *diag);
