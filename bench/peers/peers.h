/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of bench-peers. Each prints its table as it goes.
 */

#include <stdbool.h>

#include "kernels/cpu.h"

struct peers_options {
    enum tier tier;
    unsigned rounds;
    const char *library;                  /* ONNX Runtime's */
    const char *network;                  /* only those with this in their file names; NULL: all */
    bool networks, layers, shapes, check; /* what is to be done */
};

/* Whole networks beside ONNX Runtime and beside their layers in oneDNN. */
void peers_networks(const struct peers_options *options);
/* The eleven layers beside oneDNN. */
void peers_layers(const struct peers_options *options);
/* Every layer of the networks beside oneDNN: where ours lose. Asks for nothing. */
void peers_shapes(const struct peers_options *options);
/* Whether ONNX Runtime computes the same. */
void peers_agreement(const struct peers_options *options);

/* One of MLPerf Tiny. Files lie in the shared folder. */
struct peers_network {
    const char *title;
    const char *onnx;   /* stem of the files of ONNX Runtime */
    const char *int8;   /* .tflite */
    const char *fp32;   /* NULL: the int8 one's weights as real values */
    const char *golden; /* folder with the int8 one's inputs */
    int steps;          /* that an int8 output may differ from ONNX Runtime's */
    double float_bound; /* ONNX Runtime / ours, float, with AVX-512 */
    double avx2_bound;  /* the same of int8 at tier avx2 */
};

#define PEERS_NETWORKS 5
extern const struct peers_network peers_networks_list[PEERS_NETWORKS];

#define PEERS_PATH_MAX 4096
/* Whether --network lets this one through. */
bool peers_wanted(const struct peers_options *options, const struct peers_network *network);
/* The path of our int8 or float file; the latter may be the int8 one, to be converted. */
void peers_tflite_path(const struct peers_network *network, bool is_float,
                       char ret_path[PEERS_PATH_MAX]);
/* `form`: "f32", "u8" or "s8". */
void peers_onnx_path(const struct peers_network *network, const char *form,
                     char ret_path[PEERS_PATH_MAX]);
/* Ours, ready to be built. Free it. */
struct graph *peers_graph(const struct peers_network *network, bool is_float);
