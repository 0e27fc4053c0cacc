/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front-end passes: a new input tensor, the operators that prepare it, and the old input as their result.
 */

#include "model/frontend.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "model/graph.h"

#define MFCC_RATE 16000 /* Hz, and samples: one second */

static const struct op_mfcc mfcc_16k = {
    .sample_rate = MFCC_RATE,
    .frame = 480,
    .hop = 320,
    .fft = 512,
    .bands = 40,
    .coefficients = 10,
    .first_bin = 2,
    .last_bin = 128,
    .low_hz = 20.0F,
    .high_hz = 4000.0F,
    .floor = 1e-12F,
};

/* The network's only input, FP32 or quantized to int8. */
static int only_input(const struct graph *g, struct diag *diag, int32_t *ret_tensor) {
    if (g->n_inputs != 1)
        return diag_set(diag, MODEL_E_UNSUPPORTED,
                        "a front end needs a network with one input; this one has %u", g->n_inputs);
    const struct tensor *x = &g->tensors[g->inputs[0]];
    if (x->dtype != DTYPE_FP32 && x->dtype != DTYPE_INT8)
        return diag_set(diag, MODEL_E_UNSUPPORTED,
                        "a front end needs an FP32 or INT8 input; '%s' is %s", x->name,
                        dtype_name(x->dtype));
    *ret_tensor = g->inputs[0];
    return 0;
}

/* Moves the operators back by `n` places and leaves the first `n` to operators appended last. */
static void rotate_to_front(struct graph *g, uint32_t n) {
    struct op moved[2];
    edge_assert(n <= ARRAY_SIZE(moved) && n <= g->n_ops);
    memcpy(moved, g->ops + g->n_ops - n, n * sizeof(*moved));
    memmove(g->ops + n, g->ops, (g->n_ops - n) * sizeof(*moved));
    memcpy(g->ops, moved, n * sizeof(*moved));
}

/* FP32 features become the old input: through QUANTIZE where that is int8. `op` makes them from `input`. */
static int prepend(struct graph *g, const struct op *op, const struct tensor *input,
                   int32_t old_input) {
    int32_t new_input, features = old_input;
    int r = graph_add_tensor(g, input, &new_input);
    if (r)
        return r;
    bool quantize = g->tensors[old_input].dtype == DTYPE_INT8;
    if (quantize) {
        struct tensor real = g->tensors[old_input];
        real.name = NULL;
        real.dtype = DTYPE_FP32;
        real.quant = (struct quant){0};
        real.size = tensor_elements(&real) * sizeof(float);
        r = graph_add_tensor(g, &real, &features);
    }
    if (r == 0)
        r = graph_add_op(g, op, &new_input, &features);
    if (r == 0 && quantize)
        r = graph_add_op(g, &(struct op){.kind = OP_QUANTIZE, .n_inputs = 1, .n_outputs = 1},
                         &features, &old_input);
    if (r)
        return r;
    rotate_to_front(g, quantize ? 2 : 1);
    g->inputs[0] = new_input;
    return 0;
}

int frontend_mfcc(struct graph *graph, struct diag *diag) {
    int32_t old_input = GRAPH_NONE;
    int r = only_input(graph, diag, &old_input);
    if (r)
        return r;
    const struct tensor *x = &graph->tensors[old_input];
    const struct op_mfcc *m = &mfcc_16k;
    int32_t frames = (MFCC_RATE - m->frame) / m->hop + 1;
    if (x->n_dims != 4 || x->dims[0] != 1 || x->dims[1] != frames ||
        x->dims[2] != m->coefficients || x->dims[3] != 1)
        return diag_set(diag, MODEL_E_UNSUPPORTED,
                        "the mfcc front end gives [1,%d,%d,1]; input '%s' has another shape",
                        frames, m->coefficients, x->name);
    struct tensor pcm = {
        .name = graph_strndup(graph, "pcm", 3),
        .dtype = DTYPE_INT16,
        .kind = TENSOR_ACTIVATION,
        .n_dims = 2,
        .dims = {1, MFCC_RATE},
        .size = MFCC_RATE * sizeof(int16_t),
    };
    if (!pcm.name)
        return err_origin(-ENOMEM);
    struct op op = {.kind = OP_MFCC, .n_inputs = 1, .n_outputs = 1, .mfcc = *m};
    return prepend(graph, &op, &pcm, old_input);
}

int frontend_pixels(struct graph *graph, struct diag *diag) {
    int32_t old_input = GRAPH_NONE;
    int r = only_input(graph, diag, &old_input);
    if (r)
        return r;
    struct tensor pixels = graph->tensors[old_input];
    if (pixels.n_dims != 4)
        return diag_set(diag, MODEL_E_UNSUPPORTED,
                        "the pixels front end needs an input [1,H,W,C]; '%s' has %d dimensions",
                        pixels.name, pixels.n_dims);
    float *scale = graph_alloc(graph, sizeof(*scale));
    pixels.name = graph_strndup(graph, "pixels", 6);
    if (!scale || !pixels.name)
        return err_origin(-ENOMEM);
    *scale = 1.0F / 255.0F;
    pixels.dtype = DTYPE_UINT8;
    pixels.quant = (struct quant){.scales = scale, .n_scales = 1};
    pixels.size = tensor_elements(&pixels);
    struct op op = {.kind = OP_DEQUANTIZE, .n_inputs = 1, .n_outputs = 1};
    return prepend(graph, &op, &pixels, old_input);
}

const struct frontend frontends[] = {
    {"mfcc", "16 kHz mono PCM to 49 frames of 10 MFCCs", frontend_mfcc},
    {"pixels", "8-bit pixels, each counting as value / 255", frontend_pixels},
    {NULL, NULL, NULL},
};
