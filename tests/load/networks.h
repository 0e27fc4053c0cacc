/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The networks that the load tests serve: each as a file for the daemon and as an image in this process, with inputs and
 * the outputs that the runtime gives for them. Written once, then only read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "runtime/runtime.h"

#define NETWORK_SAMPLES 16
#define NETWORK_MAX_BATCH 5
/* Inputs follow each other in memory, the first ones once more at the end: a batch is a contiguous piece. */
#define NETWORK_STORED (NETWORK_SAMPLES + NETWORK_MAX_BATCH - 1)
#define NETWORK_MAX_IO 4
#define NETWORK_MAX_NAME 64
#define NETWORKS_MAX 24

struct network {
    char name[NETWORK_MAX_NAME];
    struct image *image;
    void *arena;
    bool identity; /* the output is the input */
    unsigned weight;
    uint32_t n_inputs, n_outputs;
    /* Where in networks->inputs the values of each input begin: in its own datatype, and as FP32 where that is
     * another one (SIZE_MAX: it is not). */
    size_t native[NETWORK_MAX_IO], real[NETWORK_MAX_IO];
    uint8_t *outputs[NETWORK_MAX_IO]; /* in the network's own datatypes */
    float *real_outputs[NETWORK_MAX_IO];
};

struct networks {
    struct network list[NETWORKS_MAX];
    size_t n;
    unsigned weights;  /* of all */
    struct map inputs; /* of all networks: the contents of inputs_fd */
    int inputs_fd;     /* a sealed region */
};

void networks_init(struct networks *ret_networks);
void networks_deinit(struct networks *networks);

/* Reads a .tflite file, writes DIR/NAME.edge. `weight`: how often it is called, relative to others. */
void networks_add_file(struct networks *networks, const char *path, const char *name,
                       const char *dir, unsigned weight);
/* A network with state: its output is the sum of all inputs so far, saturated. */
void networks_add_sum(struct networks *networks, const char *name, const char *dir,
                      unsigned weight);
/* Makes inputs from `seed` and runs the networks on them. Afterwards no more can be added. */
void networks_fill(struct networks *networks, uint64_t seed);

/* Writes `path` (.tflite) as the container `ret_path` = DIR/NAME.edge. */
void network_convert(const char *path, const char *name, const char *dir, char *ret_path,
                     size_t ret_path_size);

/* Runs `batch` items from inputs that follow each other; outputs likewise. */
void network_run(const struct network *network, struct session *session, uint32_t batch,
                 const void *const *inputs, void *const *outputs);
