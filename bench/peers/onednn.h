/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Layers in oneDNN: u8 x s8 -> u8 with per-channel scales and ReLU, one thread, in the layouts it likes best; weights are
 * reordered when the layer is made. Every failure ends the program.
 */

#include "kernels/cpu.h"
#include "kernels/kernels.h"

struct onednn_layers;

/* Once, before everything else: oneDNN takes the instructions of that tier and no others. */
void onednn_open(enum tier tier);
/* Of the library, for people. */
const char *onednn_version(void);

/* A run of layers, to be executed back to back; add in order. */
struct onednn_layers *onednn_layers_new(void);
struct onednn_layers *onednn_layers_free(struct onednn_layers *layers);
/* `dense`: a product of one row, made with the primitive for that. Weights, biases and inputs are made up. */
void onednn_layers_add(struct onednn_layers *layers, const struct kern_conv *p, bool dense);
/* Runs all of them once; `layers` is a struct onednn_layers, as struct contender wants it. */
void onednn_layers_run(void *layers);
