/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Networks in ONNX Runtime: one thread, all optimizations, inputs and outputs bound once. The library is loaded when the
 * program runs. Every failure ends the program.
 */

#include <stddef.h>
#include <stdint.h>

struct ort_network;

/* Loads the library; once, before everything else. */
void ort_open(const char *library);
/* Of the library, for people. */
const char *ort_version(void);
void ort_close(void);

/* A network with one input and one output. */
struct ort_network *ort_network_new(const char *path);
struct ort_network *ort_network_free(struct ort_network *network);
/* Runs it once; `network` is a struct ort_network, as struct contender wants it. */
void ort_network_run(void *network);
/* The buffers, in the network's own datatype and order of dimensions (images: NCHW). */
void *ort_network_input(const struct ort_network *network);
const void *ort_network_output(const struct ort_network *network);
/* Dimensions of the input, at most 8; returns how many. */
size_t ort_network_dims(const struct ort_network *network, int64_t ret_dims[8]);
