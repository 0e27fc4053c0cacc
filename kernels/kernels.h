/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The compute kernels: one struct of operations per tier, C reference first, variants before it.
 * Parameters are plain data without pointers, so that a plan can keep them in its image. Kernels
 * allocate nothing, hold no state, may run on any number of threads, and read or write nothing
 * outside the ranges their parameters give.
 *
 * Integer results are bit-identical at every tier (reference: TensorFlow Lite with single
 * rounding). Float results may differ by rounding and order of summation: |y - reference| <= 1e-5
 * of the largest magnitude of the output.
 *
 * Activations are NHWC. "mult, shift" is a real multiplier m * 2^(shift - 31), m in [2^30, 2^31)
 * or 0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"

#define KERN_MAX_DIMS 6
#define KERN_MAX_VARIANTS 32
#define KERN_PACK_ALIGN                                                                            \
    64 /* of packed weights, scratch and arena buffers; operands need only their dtype's */

/* Where the zeros of pruned weights are: alone, or in blocks of neighbouring output channels at one
 * position of the window. */
enum kern_pattern { KERN_SINGLES, KERN_BLOCKS_4, KERN_BLOCKS_8, KERN_PATTERN_END };

/* What is left of the weights: the part of the blocks of each pattern that are not all zero, and up
 * to which part a sparse kernel of that pattern is faster than the dense one here (sparse.h). All 0:
 * nobody looked, the weights count as dense. */
struct kern_sparsity {
    float density[KERN_PATTERN_END];
    float crossover[KERN_PATTERN_END];
    bool is_small; /* too few weights for these to hold */
};

/* Convolution, depthwise convolution and matrix product (a matrix product of [rows, in_c] is a 1x1
 * convolution with in_h = out_h = 1, in_w = out_w = rows). Output channel o uses the
 * group_in_c input channels from o / (out_c / groups) * group_in_c on, groups = in_c / group_in_c.
 * Depthwise has group_in_c 1 and says so, as its filter is laid out in another way. */
struct kern_conv {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top,
        pad_left; /* what the windows reach beyond the far edges follows from the sizes */
    int32_t group_in_c;
    bool depthwise;
    /* int8: padding counts as in_zero */
    int32_t in_zero, weight_zero, out_zero;
    int32_t out_min, out_max; /* after adding out_zero */
    /* float */
    float out_min_f, out_max_f; /* -INFINITY, INFINITY: no clamp; hybrid too */
    /* hybrid */
    int32_t weight_bits; /* 8 or 4 */
    int32_t
        scale_group; /* weights of an output channel that share a scale; it divides their number */
    bool scale_pixels; /* each pixel of x gets a scale of its own, else x has one */
    struct kern_sparsity sparsity;
};

/* The matrix product of [rows, depth] and [out_c, depth] as a convolution; clamps and zero points are the caller's. */
static inline struct kern_conv kern_conv_product(int32_t rows, int32_t depth, int32_t out_c) {
    return (struct kern_conv){
        .in_h = 1,
        .in_w = rows,
        .in_c = depth,
        .out_h = 1,
        .out_w = rows,
        .out_c = out_c,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .group_in_c = depth,
    };
}

/* Weights as the graph has them: [out_c][kernel_h][kernel_w][group_in_c], depthwise
 * [kernel_h][kernel_w][out_c]. */
struct kern_conv_weights {
    const void *filter; /* int8_t or float; hybrid: int8_t, or of 4 bits two to a byte, low first */
    const void *bias;   /* int32_t or float [out_c]; NULL is zeros */
    const int32_t *mult;  /* int8: [out_c] */
    const int32_t *shift; /* int8: [out_c] */
    const float *scales;  /* hybrid: [out_c][weights of a channel / scale_group] */
};

/* One implementation of a convolution. The first of the tier's list that fits is used. */
struct kern_conv_impl {
    const char *name; /* kern_<op>_<type>_<tile>_<tier> without "kern_" */
    /* Why it cannot run `p`, or should not, in a few words for people, none where it is plainly for
     * something else; NULL: it fits. */
    const char *(*refuses)(const struct kern_conv *p);
    /* Bytes of packed weights (biases and multipliers included) and of scratch; multiples of
     * KERN_PACK_ALIGN. */
    size_t (*packed_size)(const struct kern_conv *p);
    /* Instead of that where the bytes depend on the weights' zeros: sparse implementations, which
     * are for one pattern. */
    size_t (*packed_size_of)(const struct kern_conv *p, const struct kern_conv_weights *w);
    enum kern_pattern pattern;
    size_t (*scratch_size)(const struct kern_conv *p);
    void (*pack)(const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed);
    void (*run)(const struct kern_conv *p, const void *packed, const void *x, void *y,
                void *scratch);
};

struct kern_pool {
    int32_t in_h, in_w, c;
    int32_t out_h, out_w;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t out_min, out_max;   /* int8 */
    float out_min_f, out_max_f; /* float */
};

/* Mean over any set of axes of a dense tensor, summed in memory order. */
struct kern_mean {
    int32_t n_dims;
    int32_t dims[KERN_MAX_DIMS];
    uint32_t axes; /* bit d: dims[d] is reduced */
    /* int8: mult, shift already divided by the count, as tflite-int8 MEAN defines */
    int32_t mult, shift;
    int32_t in_zero, out_zero;
};

/* Two operands, numpy broadcasting: stride 0 where a dim is broadcast. Strides are in elements. The
 * innermost axis is one loop: who makes this joins neighbouring axes where both operands allow it. */
struct kern_binary {
    int32_t n_dims;              /* at least 1 */
    int32_t dims[KERN_MAX_DIMS]; /* of the output */
    int32_t a_stride[KERN_MAX_DIMS], b_stride[KERN_MAX_DIMS];
    /* int8 ADD and SUB: left shift 20; MUL uses out_* only; MAXIMUM, MINIMUM none */
    int32_t a_zero, b_zero, out_zero;
    int32_t a_mult, a_shift, b_mult, b_shift, out_mult, out_shift;
    int32_t out_min, out_max;
    float out_min_f, out_max_f;
    /* int8 ADD and SUB, from kern_add_prepare(): the three multiplications as one,
     *   ((a * 256 * a_lo + b * 256 * b_lo >> 15) + a * 256 * a_hi + b * 256 * b_hi + offset)
     *   >> shift,
     * plus out_zero, where that is equal for all bytes a and b. Nothing beyond 32 bits. */
    struct {
        bool is_exact;
        int16_t a_hi, a_lo, b_hi, b_lo;
        int32_t offset, shift;
    } fused;
};

struct kern_softmax {
    int32_t rows, cols;
    int32_t mult, shift; /* int8: of beta * scale * 2^26 */
    int32_t diff_min;    /* int8 */
    float beta;          /* float */
    int32_t exp[256];    /* int8, from kern_softmax_prepare(): exponential of -i, Q0.31 */
};

/* y = clamp(rha(x / scale) + zero) (float in) or the integer form; see tflite-int8 QUANTIZE. */
struct kern_quantize {
    float scale;         /* float <-> integer */
    int32_t zero;        /* float <-> integer */
    int32_t mult, shift; /* integer -> integer */
    int32_t in_zero, out_zero;
    int32_t out_min, out_max; /* the output type's range; INT32 needs no clamp beyond its own */
};

/* Copies an n-dimensional box. Strides and offsets are in bytes and may be negative. As above, axes
 * are joined already, and the innermost is the one best walked in one loop. */
struct kern_copy {
    int32_t n_dims;    /* at least 1 */
    int32_t elem_size; /* 1, 2, 4 or 8 */
    int32_t count[KERN_MAX_DIMS];
    int64_t src_stride[KERN_MAX_DIMS], dst_stride[KERN_MAX_DIMS];
    int64_t src_offset, dst_offset;
};

struct kern_lstm_gate {
    int32_t in_mult, in_shift;
    int32_t rec_mult, rec_shift;
};

/* Weights in one block: input weights [4][cells][in], then recurrent [4][cells][cells]; the gates'
 * order is i f c o. */
struct kern_lstm {
    int32_t batch, time, in, cells;
    bool time_major;
    /* int8 activations, int16 cell state */
    struct kern_lstm_gate gate[4];
    int32_t in_zero, hidden_zero;
    int32_t forget_mult, forget_shift; /* f * c */
    int32_t update_mult, update_shift; /* i * g */
    int32_t hidden_mult, hidden_shift; /* tanh(c) * o */
    int32_t cell_clip;                 /* negative: none */
    int32_t cell_tanh_mult, cell_tanh_shift;
    /* float */
    float cell_clip_f;
};

struct kern_svdf {
    int32_t batch, in, units, rank, memory;
    bool state_is_s16; /* else int8 */
    int32_t in_zero, out_zero, state_zero;
    int32_t feature_mult, feature_shift, out_mult, out_shift;
    int32_t out_min, out_max;
    float out_min_f, out_max_f; /* float: fused activation */
};

/* Tables follow in one block, see kern_mfcc_tables_size(). */
struct kern_mfcc {
    int32_t samples, frame, hop, fft, bands, coefficients, first_bin, last_bin, sample_rate;
    float low_hz, high_hz, floor;
    bool in_is_s16; /* else float */
};

struct kernels {
    enum tier tier;

    /* NULL-terminated, best first; the last always fits. */
    const struct kern_conv_impl *conv_s8[KERN_MAX_VARIANTS + 1];
    const struct kern_conv_impl *conv_f32[KERN_MAX_VARIANTS + 1];
    /* float activations and results, integer weights: see conv-hybrid.h; not for depthwise */
    const struct kern_conv_impl *conv_hybrid[KERN_MAX_VARIANTS + 1];

    void (*avg_pool_s8)(const struct kern_pool *p, const int8_t *x, int8_t *y);
    void (*max_pool_s8)(const struct kern_pool *p, const int8_t *x, int8_t *y);
    void (*avg_pool_f32)(const struct kern_pool *p, const float *x, float *y);
    void (*max_pool_f32)(const struct kern_pool *p, const float *x, float *y);
    void (*mean_s8)(const struct kern_mean *p, const int8_t *x, int8_t *y);
    void (*mean_f32)(const struct kern_mean *p, const float *x, float *y);

    /* y may be exactly a, or exactly b, where that operand is not broadcast; else they do not overlap. */
    void (*add_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y);
    void (*sub_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y);
    void (*mul_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y);
    void (*max_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y);
    void (*min_s8)(const struct kern_binary *p, const int8_t *a, const int8_t *b, int8_t *y);
    void (*add_f32)(const struct kern_binary *p, const float *a, const float *b, float *y);
    void (*sub_f32)(const struct kern_binary *p, const float *a, const float *b, float *y);
    void (*mul_f32)(const struct kern_binary *p, const float *a, const float *b, float *y);
    void (*max_f32)(const struct kern_binary *p, const float *a, const float *b, float *y);
    void (*min_f32)(const struct kern_binary *p, const float *a, const float *b, float *y);

    /* y[i] = table[x[i]]: every int8 -> int8/uint8 function of one argument is a table made at
     * load. Index and value are the bytes. x == y is allowed. */
    void (*lut_8)(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n);
    void (*softmax_s8)(const struct kern_softmax *p, const int8_t *x, int8_t *y);
    void (*softmax_s8_s16)(const struct kern_softmax *p, const int8_t *x, int16_t *y);
    void (*softmax_f32)(const struct kern_softmax *p, const float *x, float *y);
    /* These four: x == y is allowed. */
    void (*logistic_f32)(const float *x, float *y, size_t n);
    void (*tanh_f32)(const float *x, float *y, size_t n);
    void (*clamp_f32)(float lo, float hi, const float *x, float *y, size_t n);
    void (*leaky_relu_f32)(float alpha, const float *x, float *y, size_t n);

    void (*quantize_f32_s8)(const struct kern_quantize *p, const float *x, int8_t *y, size_t n);
    void (*quantize_f32_u8)(const struct kern_quantize *p, const float *x, uint8_t *y, size_t n);
    void (*quantize_f32_s16)(const struct kern_quantize *p, const float *x, int16_t *y, size_t n);
    void (*dequantize_s8_f32)(const struct kern_quantize *p, const int8_t *x, float *y, size_t n);
    void (*dequantize_u8_f32)(const struct kern_quantize *p, const uint8_t *x, float *y, size_t n);
    void (*dequantize_s16_f32)(const struct kern_quantize *p, const int16_t *x, float *y, size_t n);
    void (*requantize_s8_s16)(const struct kern_quantize *p, const int8_t *x, int16_t *y, size_t n);
    void (*requantize_s8_s32)(const struct kern_quantize *p, const int8_t *x, int32_t *y, size_t n);
    void (*requantize_s16_s8)(const struct kern_quantize *p, const int16_t *x, int8_t *y, size_t n);
    void (*requantize_s16_s16)(const struct kern_quantize *p, const int16_t *x, int16_t *y,
                               size_t n);
    void (*requantize_s16_s32)(const struct kern_quantize *p, const int16_t *x, int32_t *y,
                               size_t n);

    void (*copy_nd)(const struct kern_copy *p, const void *x, void *y);
    void (*fill)(const void *value, int32_t elem_size, void *y, size_t n);

    /* `hidden` and `cell` are read and updated. `scratch`: kern_lstm_scratch_size(). */
    void (*lstm_s8)(const struct kern_lstm *p, const int8_t *weights, const int32_t *bias,
                    const int8_t *x, int8_t *hidden, int16_t *cell, int8_t *y, void *scratch);
    void (*lstm_f32)(const struct kern_lstm *p, const float *weights, const float *bias,
                     const float *x, float *hidden, float *cell, float *y, void *scratch);
    /* feature [units * rank][in], time [units * rank][memory], bias [units] or NULL; `state`
     * [batch][units * rank][memory] is shifted and updated. */
    void (*svdf_s8)(const struct kern_svdf *p, const int8_t *feature, const void *time,
                    const int32_t *bias, const int8_t *x, void *state, int8_t *y);
    void (*svdf_f32)(const struct kern_svdf *p, const float *feature, const float *time,
                     const float *bias, const float *x, float *state, float *y);

    /* `tables` from kern_mfcc_tables(); `scratch`: kern_mfcc_scratch_size(). */
    void (*mfcc)(const struct kern_mfcc *p, const void *tables, const void *x, float *y,
                 void *scratch);

    /* For benchmarks, to print what the core can do at most beside what a kernel does: runs
     * `rounds` rounds of independent multiply-adds in registers, with the tier's products. Returns
     * how many there were: of bytes, a product and its addition as one; of floats, as two. */
    uint64_t (*peak_s8)(uint64_t rounds);
    uint64_t (*peak_f32)(uint64_t rounds);
};

/* The operations of a supported tier; made once, valid for ever. Thread-safe, but the first call is
 * best made before there are threads: it sets environment variables for OpenBLAS. */
const struct kernels *kernels_get(enum tier tier);
/* The first implementation that fits. Its position in the list is stored in plans. */
unsigned kern_conv_choose(const struct kern_conv_impl *const *list, const struct kern_conv *p);
/* Bytes of the block that pack() makes of these weights. */
size_t kern_conv_packed_size(const struct kern_conv_impl *impl, const struct kern_conv *p,
                             const struct kern_conv_weights *w);

/* What is derived from the other parameters; needed before int8 kernels run. `subtract`: SUB, else
 * ADD. Takes about 0.1 ms. */
void kern_add_prepare(struct kern_binary *p, bool subtract);
void kern_softmax_prepare(struct kern_softmax *p);

size_t kern_lstm_scratch_size(const struct kern_lstm *p);
size_t kern_mfcc_scratch_size(const struct kern_mfcc *p);
size_t kern_mfcc_tables_size(const struct kern_mfcc *p);
void kern_mfcc_tables(const struct kern_mfcc *p, void *ret_tables);
