/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float convolution and matrix product through OpenBLAS: windows are laid out some rows at a time,
 * the output starts as the bias and the product is added to it.
 *
 * Packed block: bias [out_c], filter [out_c][depth].
 */

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/arch.h"
#include "kernels/blas.h"
#include "kernels/im2col.h"
#include "kernels/round.h"

/* Windows laid out at a time: enough rows for the product to run at full speed, and a bounded
 * scratch. */
#define WINDOW_BYTES ((size_t)1024 * 1024)
#define MIN_ROWS ((size_t)16)

bool kern_conv_f32_blas_possible(const struct kern_conv *p) {
    const size_t rows = (size_t)p->out_h * (size_t)p->out_w;
    if (p->group_in_c != p->in_c || p->depthwise || rows > INT_MAX || im2col_depth(p) > INT_MAX)
        return false;
    return blas_available();
}

static const char *refuses(const struct kern_conv *p) {
    const size_t rows = (size_t)p->out_h * (size_t)p->out_w;
    if (!kern_arch_prefers_blas(rows, (size_t)p->out_c, im2col_depth(p)))
        return "below the break-even";
    return kern_conv_f32_blas_possible(p) ? NULL : "grouped, or no OpenBLAS here";
}

static size_t bias_room(const struct kern_conv *p) {
    return pack_room((size_t)p->out_c * sizeof(float));
}

static size_t filter_size(const struct kern_conv *p) {
    return (size_t)p->out_c * im2col_depth(p) * sizeof(float);
}

static size_t packed_size(const struct kern_conv *p) {
    return bias_room(p) + pack_room(filter_size(p));
}

static size_t tile(const struct kern_conv *p) {
    const size_t rows = (size_t)p->out_h * (size_t)p->out_w;
    return MIN(MAX(WINDOW_BYTES / (im2col_depth(p) * sizeof(float)), MIN_ROWS), rows);
}

static size_t scratch_size(const struct kern_conv *p) {
    return im2col_is_input(p) ? 0 : pack_room(tile(p) * im2col_depth(p) * sizeof(float));
}

static void pack(const struct kern_conv *p, const struct kern_conv_weights *w, void *ret_packed) {
    memset(ret_packed, 0, packed_size(p));
    if (w->bias)
        memcpy(ret_packed, w->bias, (size_t)p->out_c * sizeof(float));
    memcpy((char *)ret_packed + bias_room(p), w->filter, filter_size(p));
}

static void clamp_all(const struct kern_conv *p, float *y, size_t n) {
    if (p->out_min_f == -INFINITY && p->out_max_f == INFINITY)
        return;
    const float lo = p->out_min_f, hi = p->out_max_f;
    for (size_t i = 0; i < n; i++)
        y[i] = clamp_f32(y[i], lo, hi);
}

static void run(const struct kern_conv *p, const void *packed, const void *x, void *y,
                void *scratch) {
    const float *filter = (const void *)((const char *)packed + bias_room(p));
    const size_t rows = (size_t)p->out_h * (size_t)p->out_w, depth = im2col_depth(p);
    const size_t out_c = (size_t)p->out_c;
    const bool direct = im2col_is_input(p);
    const size_t step = direct ? rows : tile(p);
    for (size_t row = 0; row < rows; row += step) {
        const size_t n = MIN(rows - row, step);
        const float *windows = direct ? x : scratch;
        float *out = (float *)y + row * out_c;
        if (!direct)
            im2col_f32(p, x, 0, row, n, 0, scratch);
        for (size_t i = 0; i < n; i++)
            memcpy(out + i * out_c, packed, out_c * sizeof(float));
        blas_gemm_f32((int)n, p->out_c, (int)depth, windows, (int)depth, filter, (int)depth, out,
                      p->out_c);
        clamp_all(p, out, n * out_c);
    }
}

const struct kern_conv_impl kern_conv_f32_blas = {
    .name = "conv_f32_gemm_blas",
    .refuses = refuses,
    .packed_size = packed_size,
    .scratch_size = scratch_size,
    .pack = pack,
    .run = run,
};
