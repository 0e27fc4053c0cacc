/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Front ends: graph passes that put in front of a network what turns a recording or a picture into its input, so that
 * every client may send raw PCM or pixels (docs/frontends.md). The graph belongs to one thread.
 */

#include "base/attributes.h"

struct diag;
struct graph;

/*
 * Each replaces the network's only input. The graph passes graph_check() afterwards, also when it is quantized: the
 * features are then quantized as the old input was. 0, -ENOMEM, MODEL_E_UNSUPPORTED where the input has another shape or
 * datatype than the front end gives.
 */

/* Input [1,49,10,1]: becomes INT16 [1,16000], 16 kHz mono PCM; MFCC as models/ours of the test data defines it. */
_nodiscard_ int frontend_mfcc(struct graph *graph, struct diag *diag);
/* Input [1,H,W,C]: becomes UINT8 of that shape, each pixel counting as value / 255. */
_nodiscard_ int frontend_pixels(struct graph *graph, struct diag *diag);

/* A front end by name. */
typedef int (*frontend_fn)(struct graph *graph, struct diag *diag);
struct frontend {
    const char *name;
    const char *summary; /* one line for --help */
    frontend_fn apply;
};
/* The front ends there are, ended by a NULL name. */
extern const struct frontend frontends[];
