/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Networks of this project as the comparison needs them: with one input and one output, from .tflite files. Every failure
 * ends the program.
 */

#include "kernels/cpu.h"
#include "kernels/kernels.h"

struct graph;
struct op;

struct our_network {
    struct image *image;
    void *arena, *input, *output;
};

/* Free it. */
struct graph *our_graph_read(const char *path);
/* Makes an int8 network the float network of the same weights: for those that have no float file. */
void our_graph_to_float(struct graph *graph);
/* Multiply-accumulate operations of one run. */
double our_graph_macs(const struct graph *graph);
/* The geometry of a convolution or dense layer, with the PAD before it taken in, without zero points and clamps; false for
 * any other operator. */
bool our_graph_layer(const struct graph *graph, const struct op *op, struct kern_conv *ret_p);

struct our_network *our_network_new(const struct graph *graph, enum tier tier);
struct our_network *our_network_free(struct our_network *network);
/* Runs it once; `network` is a struct our_network, as struct contender wants it. */
void our_network_run(void *network);
