/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering rows. Depthwise convolutions keep the channels innermost, one row at a time: their matrices are many and
 * tiny, and all channels of a pair of window positions are best treated in one loop.
 */

#include "compress/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define BLOCK_VALUES ((size_t)1 << 18) /* of a block, about */
#define MAX_BLOCK_ROWS 2048

/* A matrix product is a convolution with a 1 x 1 window over a 1 x n picture. */
static void set_geometry(struct rows *rows, const struct graph *graph, const struct layer *layer) {
    const struct tensor *x = layer_input(graph, layer), *w = layer_weights(graph, layer);
    const struct op *op = layer_op(graph, layer);
    if (op->kind == OP_FULLY_CONNECTED) {
        rows->in_h = rows->out_h = rows->kernel_h = rows->kernel_w = 1;
        rows->in_c = rows->group_c = (int32_t)layer->depth;
        rows->in_w = rows->out_w = (int32_t)(tensor_elements(x) / layer->depth);
        rows->conv = (struct op_conv){1, 1, 1, 1, 0, 0, 0, 0};
        return;
    }
    const struct tensor *y = &graph->tensors[op->outputs[0]];
    rows->in_h = x->dims[1];
    rows->in_w = x->dims[2];
    rows->in_c = x->dims[3];
    rows->out_h = y->dims[1];
    rows->out_w = y->dims[2];
    rows->kernel_h = w->dims[1];
    rows->kernel_w = w->dims[2];
    rows->group_c = layer->depthwise ? 1 : w->dims[3];
    rows->conv = op->conv;
}

static uint32_t gcd(uint32_t a, uint32_t b) {
    return b ? gcd(b, a % b) : a;
}

/* Positions i * stride modulo `positions` are spread evenly for any run of i, and all come before one comes twice. */
static uint32_t even_stride(uint32_t positions) {
    uint32_t stride = (uint32_t)(positions * 0.6180339887) | 1;
    while (gcd(stride, positions) != 1)
        stride++;
    return stride;
}

int rows_init(struct rows *rows, const struct graph *graph, const struct layer *layer,
              size_t n_samples, size_t max_rows) {
    *rows = (struct rows){.depthwise = layer->depthwise, .depth = layer->depth, .out = layer->out};
    set_geometry(rows, graph, layer);
    rows->groups = (uint32_t)(rows->in_c / rows->group_c);
    rows->positions = (uint32_t)rows->out_h * (uint32_t)rows->out_w;
    max_rows = MIN(max_rows, MAX((size_t)ROWS_MIN, (size_t)ROWS_PER_VALUE * rows->depth));
    rows->take = (uint32_t)MIN(MAX(max_rows / n_samples, (size_t)1), (size_t)rows->positions);
    rows->stride = rows->take == rows->positions ? 1 : even_stride(rows->positions);
    size_t n = (size_t)rows->groups * rows->depth;
    rows->block_max = rows->depthwise ? 1 : MAX(MIN(BLOCK_VALUES / n, (size_t)MAX_BLOCK_ROWS), 1UL);
    rows->block = calloc(rows->block_max * n, sizeof(*rows->block));
    return rows->block ? 0 : err_origin(-ENOMEM);
}

void rows_deinit(struct rows *rows) {
    free(rows->block);
}

/* The input at position (y, x) of the window over output position `at`; NULL in the padding. */
static const float *pixel(const struct rows *rows, const float *values, uint32_t at, int32_t y,
                          int32_t x) {
    const struct op_conv *p = &rows->conv;
    int64_t row = (int64_t)(at / (uint32_t)rows->out_w) * p->stride_h - p->pad_top +
                  (int64_t)y * p->dilation_h;
    int64_t col = (int64_t)(at % (uint32_t)rows->out_w) * p->stride_w - p->pad_left +
                  (int64_t)x * p->dilation_w;
    if (row < 0 || row >= rows->in_h || col < 0 || col >= rows->in_w)
        return NULL;
    return values + ((size_t)row * (size_t)rows->in_w + (size_t)col) * (size_t)rows->in_c;
}

/* Where the values of one window position go: group_c values of each group, or depthwise all channels. */
static void put(struct rows *rows, const float *from, size_t k) {
    size_t n = rows->depthwise ? (size_t)rows->in_c : (size_t)rows->group_c;
    size_t groups = rows->depthwise ? 1 : rows->groups;
    for (size_t i = 0; i < groups; i++) {
        float *to = rows->depthwise
                        ? rows->block + k * n
                        : rows->block + (i * rows->block_max + rows->n_block) * rows->depth + k * n;
        if (from)
            memcpy(to, from + i * n, n * sizeof(*to));
        else
            memset(to, 0, n * sizeof(*to));
    }
}

int rows_finish(struct rows *rows, rows_fn fn, void *arg) {
    int r = rows->n_block ? fn(arg, rows) : 0;
    rows->n_flushed += rows->n_block;
    rows->n_block = 0;
    return r;
}

int rows_add(struct rows *rows, const float *values, rows_fn fn, void *arg) {
    for (uint32_t i = 0; i < rows->take; i++, rows->next++) {
        uint32_t at = (uint32_t)(rows->next % rows->positions * rows->stride % rows->positions);
        size_t k = 0;
        for (int32_t y = 0; y < rows->kernel_h; y++)
            for (int32_t x = 0; x < rows->kernel_w; x++)
                put(rows, pixel(rows, values, at, y, x), k++);
        if (++rows->n_block < rows->block_max)
            continue;
        int r = rows_finish(rows, fn, arg);
        if (r)
            return r;
    }
    return 0;
}
