/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which channels of a float network hang together, and their removal. Every activation has channels along its last
 * axis; a unit is all that has to go when one of them goes: the outputs of layers that are added to each other, the
 * filters of a depthwise convolution between, the elements of a flattened picture. What is no layer's free choice stays:
 * inputs and outputs of the network, and everything that an operator does not treat channel by channel. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "compress/layer.h"

struct graph;
struct tensor;

#define CHANNEL_STAYS UINT32_MAX

struct channels {
    struct graph *graph;
    struct layers layers; /* all */
    size_t *first;        /* [tensors]: where its channels begin in `ids` */
    uint32_t *ids;        /* of channels; what must go together is united in `parent` */
    uint32_t *parent;     /* [n_ids], a forest; 0 is the tree of what stays */
    uint32_t n_ids;
    uint32_t *units; /* [n_ids]: the number of a tree, or CHANNEL_STAYS */
    uint32_t n_units;
    /* Units whose channels come from the same layers. Those of a group share one count. */
    uint32_t *groups; /* [n_units] */
    uint32_t n_groups;
};

/* Only layers of `scope` may lose channels. -ENOMEM. */
_nodiscard_ int channels_find(struct graph *graph, const struct layers *scope,
                              struct channels *ret_channels);
void channels_deinit(struct channels *channels);

/* How many an activation has: its last dimension, or 1. */
uint32_t channels_of(const struct tensor *tensor);
/* The unit of channel i of an activation. */
uint32_t channels_unit(const struct channels *channels, int32_t tensor, uint32_t i);
/* Of an output channel of a layer, and of the input that its weights k are multiplied with (not of depthwise layers). */
uint32_t channels_output(const struct channels *channels, const struct layer *layer, uint32_t c);
uint32_t channels_input(const struct channels *channels, const struct layer *layer, uint32_t k);

/* Multiplications of the network without the units u with removed[u]. */
uint64_t channels_macs(const struct channels *channels, const bool *removed);
/* Makes the network smaller; the units are then void. -ENOMEM, COMPRESS_E_INVALID above the limits of a graph. */
_nodiscard_ int channels_remove(struct channels *channels, const bool *removed);
