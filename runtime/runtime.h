/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A network ready to run: an image is a plan with packed weights in one sealed memfd, mapped read-only, position
 * independent. Images and sessions are used as each function says; nothing here locks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"
#include "kernels/cpu.h"
#include "model/graph.h"

struct diag;
struct graph;
struct image;
struct session;

#define RUNTIME_MAX_BATCH 4096
#define RUNTIME_ARENA_ALIGN 64

/* One input or output of a network, as declared. Strings live in the image. */
struct port {
    const char *name;
    enum dtype dtype;
    uint8_t n_dims;
    int32_t dims[GRAPH_MAX_DIMS];
    float scale; /* 0: not quantized */
    int32_t zero_point;
    size_t size; /* bytes of one run */
};

/* One step of the plan, for people. Strings live in the image or are static. */
struct layer_info {
    enum op_kind kind;
    const char *kernel; /* for example "conv_s8_1x4_c" */
    const char *fused;  /* operators that run inside this step, "" for none */
    const char
        *why; /* why this kernel, which others were passed over, what came for free; may be "" */
    uint64_t macs;
    uint64_t weight_bytes;        /* packed */
    int32_t dims[GRAPH_MAX_DIMS]; /* of its first output */
    uint8_t n_dims;
    enum dtype dtype; /* of its first output */
};

/*
 * Compiles a graph that passed graph_check(). The graph may go afterwards. The image is in memory, and a small network
 * has run once, so that its first run is like any other. Thread-safe for distinct graphs.
 * 0, -ENOMEM, -ENOSPC, MODEL_E_UNSUPPORTED (the diag names the operator).
 */
_nodiscard_ int image_build(const struct graph *graph, enum tier tier, struct image **ret_image,
                            struct diag *diag);
/* Reference counting is atomic: any thread. Both accept NULL; unref returns NULL and unmaps with the last one. */
struct image *image_ref(struct image *image);
struct image *image_unref(struct image *image);
void image_unrefp(struct image **image);

/* What is in it; valid as long as the image. Any thread. */
const char *image_name(const struct image *image);
const char *image_version(const struct image *image);
const char *image_description(const struct image *image);
const char *image_licence(const struct image *image);
uint32_t image_n_labels(const struct image *image);
const char *image_label(const struct image *image, uint32_t i); /* NULL beyond the last */
uint32_t image_n_inputs(const struct image *image);
uint32_t image_n_outputs(const struct image *image);
const struct port *image_input(const struct image *image, uint32_t i);
const struct port *image_output(const struct image *image, uint32_t i);
uint32_t image_n_layers(const struct image *image);
struct layer_info image_layer(const struct image *image, uint32_t i);
enum tier image_tier(const struct image *image);
size_t image_bytes(const struct image *image); /* of the memfd */
size_t image_arena_bytes(
    const struct image *image); /* scratch of one run, a multiple of RUNTIME_ARENA_ALIGN */
size_t
image_state_bytes(const struct image *image); /* 0: the network keeps nothing from step to step */
bool image_has_frontend(
    const struct image *image); /* its first input is sound or a picture, not features */

/* The state of one streaming client. Used by one thread at a time; holds a reference to its image. */
_nodiscard_ int session_new(struct image *image, struct session **ret_session);
struct session *session_free(struct session *session);
void session_freep(struct session **session);
/* Back to the initial state. */
void session_reset(struct session *session);

/*
 * Runs `batch` items, each as one run of the declared shapes. inputs[i] points at `batch` values of input i, one after
 * the other, in the network's own datatype; outputs likewise, each aligned for its datatype. Without a session every
 * item starts from the initial state; with one, items are consecutive steps. `arena` is image_arena_bytes() of scratch,
 * aligned to RUNTIME_ARENA_ALIGN, not shared with another thread. `stop`, unless NULL, is looked at between layers.
 * Allocates nothing. 0, or RUNTIME_E_STOPPED. Any thread.
 */
enum {
    RUNTIME_E_STOPPED = 1, /* *stop became true; outputs and session are undefined */
};
_nodiscard_ int image_run(const struct image *image, struct session *session, uint32_t batch,
                          const void *const *inputs, void *const *outputs, void *arena,
                          const bool *stop);

/* Runs one item and adds the nanoseconds of each layer to ns[image_n_layers()]. For `bench --layers`. */
_nodiscard_ int image_run_timed(const struct image *image, struct session *session,
                                const void *const *inputs, void *const *outputs, void *arena,
                                uint64_t *ns);

/*
 * Converts n values to a port's datatype as QUANTIZE does: `from` FP32, FP64 or an integer type is read as real values;
 * the port's own integer datatype is copied as it is. -EINVAL where a type cannot be converted. Any thread.
 */
_nodiscard_ int port_quantize(const struct port *port, enum dtype from, const void *x, size_t n,
                              void *ret_y);
/* The real values of n elements of a port. Any thread. */
_nodiscard_ int port_dequantize(const struct port *port, const void *x, size_t n, float *ret_y);
