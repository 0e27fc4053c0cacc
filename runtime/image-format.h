/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bytes of an image: header, steps, layers, ports, then parameters, tables, constants and packed weights. Offsets
 * count from the beginning; nothing in it is a pointer. It is made and read by the same program, never taken from
 * outside, so its layout may change freely.
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "kernels/kernels.h"
#include "runtime/runtime.h"

#define IMAGE_MAGIC 0x65676d6945646765U /* "egdEimge" */
#define IMAGE_MAX_REFS 8                /* operands of one step */

/* Where an operand lives while a plan runs. */
enum space {
    SPACE_ARENA = 0,
    SPACE_IMAGE = 1,  /* constants, tables, packed weights */
    SPACE_STATE = 2,  /* the session's state, or its copy in the arena */
    SPACE_NONE = 3,   /* an absent operand: NULL */
    SPACE_INPUT = 4,  /* one of the network's inputs */
    SPACE_OUTPUT = 5, /* one of its outputs */
};

/* An operand begins `offset` bytes behind a base, of which a run has: those of the spaces up to SPACE_NONE, from
 * SPACE_INPUT on those of the inputs, then those of the outputs. */
struct ref {
    uint32_t base;
    uint32_t offset;
};
#define IMAGE_MAX_BASES (SPACE_INPUT + 2 * GRAPH_MAX_IO)

/*
 * What a step calls. X(constant, name): the name is that of the kernel in struct kernels. Operands (refs) are listed in
 * exec.c beside each call.
 */
#define STEP_FNS(X)                                                                                \
    X(CONV_S8, "conv_s8")                                                                          \
    X(CONV_F32, "conv_f32")                                                                        \
    X(CONV_HYBRID, "conv_hybrid")                                                                  \
    X(AVG_POOL_S8, "avg_pool_s8")                                                                  \
    X(MAX_POOL_S8, "max_pool_s8")                                                                  \
    X(AVG_POOL_F32, "avg_pool_f32")                                                                \
    X(MAX_POOL_F32, "max_pool_f32")                                                                \
    X(MEAN_S8, "mean_s8")                                                                          \
    X(MEAN_F32, "mean_f32")                                                                        \
    X(ADD_S8, "add_s8")                                                                            \
    X(SUB_S8, "sub_s8")                                                                            \
    X(MUL_S8, "mul_s8")                                                                            \
    X(MAX_S8, "max_s8")                                                                            \
    X(MIN_S8, "min_s8")                                                                            \
    X(ADD_F32, "add_f32")                                                                          \
    X(SUB_F32, "sub_f32")                                                                          \
    X(MUL_F32, "mul_f32")                                                                          \
    X(MAX_F32, "max_f32")                                                                          \
    X(MIN_F32, "min_f32")                                                                          \
    X(LUT_8, "lut_8")                                                                              \
    X(SOFTMAX_S8, "softmax_s8")                                                                    \
    X(SOFTMAX_S8_S16, "softmax_s8_s16")                                                            \
    X(SOFTMAX_F32, "softmax_f32")                                                                  \
    X(LOGISTIC_F32, "logistic_f32")                                                                \
    X(TANH_F32, "tanh_f32")                                                                        \
    X(CLAMP_F32, "clamp_f32")                                                                      \
    X(LEAKY_RELU_F32, "leaky_relu_f32")                                                            \
    X(QUANTIZE_F32_S8, "quantize_f32_s8")                                                          \
    X(QUANTIZE_F32_U8, "quantize_f32_u8")                                                          \
    X(QUANTIZE_F32_S16, "quantize_f32_s16")                                                        \
    X(DEQUANTIZE_S8_F32, "dequantize_s8_f32")                                                      \
    X(DEQUANTIZE_U8_F32, "dequantize_u8_f32")                                                      \
    X(DEQUANTIZE_S16_F32, "dequantize_s16_f32")                                                    \
    X(REQUANTIZE_S8_S16, "requantize_s8_s16")                                                      \
    X(REQUANTIZE_S8_S32, "requantize_s8_s32")                                                      \
    X(REQUANTIZE_S16_S8, "requantize_s16_s8")                                                      \
    X(REQUANTIZE_S16_S16, "requantize_s16_s16")                                                    \
    X(REQUANTIZE_S16_S32, "requantize_s16_s32")                                                    \
    X(COPY, "memcpy")                                                                              \
    X(COPY_ND, "copy_nd")                                                                          \
    X(FILL, "fill")                                                                                \
    X(LSTM_S8, "lstm_s8")                                                                          \
    X(LSTM_F32, "lstm_f32")                                                                        \
    X(SVDF_S8, "svdf_s8")                                                                          \
    X(SVDF_F32, "svdf_f32")                                                                        \
    X(MFCC, "mfcc")

enum step_fn {
#define X(constant, name) STEP_##constant,
    STEP_FNS(X)
#undef X
        STEP_FN_END
};

const char *step_fn_name(enum step_fn fn);

struct step {
    uint32_t fn;      /* enum step_fn */
    uint32_t variant; /* convolutions: position in the tier's list */
    uint64_t params;  /* offset of the kernel's parameters; 0: none */
    uint64_t count;   /* elements (bytes for COPY), where the kernel takes a count */
    float arg[2];     /* CLAMP: lo, hi; LEAKY_RELU: alpha */
    uint32_t n_refs;  /* operands */
    struct ref refs[IMAGE_MAX_REFS];
};

/* A layer is a step as people see it. */
struct image_layer {
    uint32_t kind;  /* enum op_kind */
    uint32_t fused; /* offset of a string */
    uint32_t why;   /* likewise */
    uint64_t macs;
    uint64_t weight_bytes;
    int32_t dims[GRAPH_MAX_DIMS];
    uint32_t n_dims;
    uint32_t dtype;
};

struct image_port {
    uint32_t name; /* offset of a string */
    uint32_t dtype;
    int32_t dims[GRAPH_MAX_DIMS];
    uint32_t n_dims;
    float scale;
    int32_t zero_point;
    uint64_t size;
};

struct image_header {
    uint64_t magic;
    uint64_t size;
    uint32_t tier;
    uint32_t n_steps; /* and layers */
    uint32_t n_inputs, n_outputs, n_labels;
    uint32_t has_frontend;
    uint32_t name, version, description, licence; /* offsets of strings */
    uint64_t steps, layers, inputs, outputs;      /* offsets of arrays */
    uint64_t labels;      /* offset of uint32_t[n_labels], offsets of strings */
    uint64_t arena_bytes; /* state_bytes first (the copy used without a session), then buffers */
    uint64_t state_bytes;
    uint64_t state_initial; /* offset of state_bytes bytes */
};

/* A loaded image. */
struct image {
    atomic_uint refs;
    int fd; /* sealed */
    struct map map;
    const struct image_header *header;
    const struct step *steps;
    const struct image_layer *layers;
    const struct kernels *kernels;
    struct port *inputs, *outputs;
};

/* Maps a sealed image and takes over its descriptor on success. */
_nodiscard_ int image_open(int fd, size_t size, struct image **ret_image);

/* Runs it once with zeros for inputs, if the memory for that is at hand: brings kernels and weights in. */
void image_warm_up(const struct image *image);

static inline const void *image_at(const struct image *image, uint64_t offset) {
    return (const char *)image->map.data + offset;
}
