/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A network behind the daemon or in this process: infer, eval and bench have one code path for both. The source says
 * what the network is; each lane runs it, one lane per thread. Values travel in the network's own datatypes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "runtime/runtime.h"

struct ctl;
struct lane;

struct source {
    const char *name, *version;
    const char *const *labels;
    uint32_t n_labels;
    const struct port *inputs, *outputs;
    uint32_t n_inputs, n_outputs;
    bool has_frontend;
    bool stateful; /* keeps something from step to step */
    uint32_t max_batch;
    uint64_t load_ns; /* file to ready, as it took here or in the daemon */

    const struct source_ops *ops;
    /* Of source-local.c */
    struct image *image; /* NULL: behind the daemon */
    /* Of source-daemon.c */
    const char *socket;
    struct edge *edge;
    struct edge_model *model;
    void *memory; /* what the members above point into */
};

/* What a kind of source does. */
struct source_ops {
    int (*lane_new)(struct source *source, bool session, struct lane **ret_lane, struct diag *diag);
    int (*lane_run)(struct lane *lane, uint32_t batch, const void *const *inputs,
                    void *const *outputs, struct diag *diag);
    struct lane *(*lane_free)(struct lane *lane);
    void (*deinit)(struct source *source);
};

enum {
    SOURCE_E_INVALID = 1, /* a network that cannot be run */
};

/* Reads a file and compiles it, or asks the daemon about a name. Non-zero: the diag says what failed and what to do. */
_nodiscard_ int source_open_local(const char *path, enum tier tier, struct source **ret_source,
                                  struct diag *diag);
_nodiscard_ int source_open_daemon(const char *socket, const char *name, struct source **ret_source,
                                   struct diag *diag);
/* The one of the two that `name` and --local ask for; it has at least one input and one output. */
_nodiscard_ int source_open(const struct ctl *ctl, const char *name, bool local,
                            struct source **ret_source, struct diag *diag);
struct source *source_free(struct source *source);
void source_freep(struct source **source);

/* With `session`, what the lane runs are consecutive steps; without, every item starts from the initial state. The
 * source outlives its lanes. */
_nodiscard_ int lane_new(struct source *source, bool session, struct lane **ret_lane,
                         struct diag *diag);
/* Runs `batch` (1 to max_batch) items: inputs[i] points at that many values of input i, outputs[i] likewise. */
_nodiscard_ int lane_run(struct lane *lane, uint32_t batch, const void *const *inputs,
                         void *const *outputs, struct diag *diag);
struct lane *lane_free(struct lane *lane);
void lane_freep(struct lane **lane);

/* A lane begins with this. */
struct lane {
    struct source *source;
};

/* Elements of one value of a port, and its shape as text, "[1,49,10,1]", in a buffer of PORT_SHAPE_MAX. */
#define PORT_SHAPE_MAX 96
size_t port_elements(const struct port *port);
const char *port_shape(const int32_t *dims, unsigned n_dims, char *ret);
/* The input of that name; -1 for none. */
int source_find_input(const struct source *source, const char *name, size_t length);
