/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Changing a graph: what passes over networks share. What is replaced stays in the graph's memory until a copy is made
 * of it. After its changes a pass calls graph_sweep() and graph_check(). One thread.
 */

#include <stdint.h>

#include "base/attributes.h"

struct graph;
struct op;

/* A graph of its own with nothing of the other's memory. -ENOMEM. */
_nodiscard_ int graph_copy(const struct graph *graph, struct graph **ret_graph);

/* Gives a constant values of its own that may be written, a copy of those it has. NULL where there is no memory. The
 * pointer is good until the tensor gets other data. */
void *graph_own_data(struct graph *graph, int32_t tensor);

/*
 * Puts `n` operators in the place of `n_removed` from operator `at` on. Their operands' arrays are copied. -ENOMEM,
 * MODEL_E_UNSUPPORTED above GRAPH_MAX_OPS.
 */
_nodiscard_ int graph_splice(struct graph *graph, uint32_t at, uint32_t n_removed,
                             const struct op *ops, uint32_t n);
/* Drops operators whose results nobody needs, and then tensors that nothing names; the others are numbered anew, in
 * their order. -ENOMEM. */
_nodiscard_ int graph_sweep(struct graph *graph);
