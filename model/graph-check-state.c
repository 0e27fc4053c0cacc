/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of operators with state, and of the front ends.
 */

#include "model/graph-check.h"

#include <math.h>
#include <string.h>

/* The cell state's scale is a power of two in this range of exponents. */
#define LSTM_MIN_CELL_EXPONENT (-24)
#define LSTM_MAX_CELL_EXPONENT 0

#define MFCC_MAX_FFT (1 << 15)
#define MFCC_MAX_BANDS 512

static bool has_dims(const struct tensor *t, int n_dims, const int32_t *dims) {
    return t->n_dims == n_dims && memcmp(t->dims, dims, (size_t)n_dims * sizeof(*dims)) == 0;
}

/* Constant matrix of `type` [rows, cols]; integers have one scale and no zero point. */
static int check_matrix(const struct op_check *c, int operand, enum dtype dtype, int32_t rows,
                        int32_t cols) {
    const struct tensor *t = check_in(c, operand);
    int r = check_dtype(c, t, "a weight matrix", dtype);
    if (r)
        return r;
    if (!has_dims(t, 2, (int32_t[]){rows, cols}))
        return check_invalid(c, "operand %d is not [%d, %d]", operand, rows, cols);
    if (dtype == DTYPE_FP32)
        return 0;
    if (t->quant.zero_point != 0)
        return check_unsupported(c, "operand %d has a zero point", operand);
    return check_per_tensor(c, t, "a weight matrix");
}

static int check_vector(const struct op_check *c, int operand, enum dtype dtype, int32_t n) {
    const struct tensor *t = check_in(c, operand);
    if (!t)
        return 0;
    if (!has_dims(t, 1, &n))
        return check_invalid(c, "operand %d is not [%d]", operand, n);
    return check_dtype(c, t, "a bias", dtype);
}

/* Scales of an int8 LSTM: hidden state and result are the same numbers, the cell state is a power of two. */
static int check_lstm_scales(const struct op_check *c) {
    const struct tensor *hidden = check_in(c, 13), *cell = check_in(c, 14);
    int r = check_per_tensor(c, hidden, "the hidden state");
    if (r == 0)
        r = check_per_tensor(c, cell, "the cell state");
    if (r)
        return r;
    int exponent;
    float fraction = frexpf(cell->quant.scales[0], &exponent);
    exponent--; /* scale = 2 * fraction * 2^exponent */
    if (fraction != 0.5F || cell->quant.zero_point != 0 || exponent < LSTM_MIN_CELL_EXPONENT ||
        exponent > LSTM_MAX_CELL_EXPONENT)
        return check_unsupported(c, "the scale %g of its cell state",
                                 (double)cell->quant.scales[0]);
    if (!check_same_quant(hidden, check_out(c, 0)))
        return check_unsupported(c, "hidden state and result differ in scale or zero point");
    double x = (double)check_in(c, 0)->quant.scales[0], h = (double)hidden->quant.scales[0];
    for (int gate = 0; gate < 4 && r == 0; gate++) {
        r = check_multiplier(c, x * (double)check_in(c, 1 + gate)->quant.scales[0] * 0x1p12);
        if (r == 0)
            r = check_multiplier(c, h * (double)check_in(c, 5 + gate)->quant.scales[0] * 0x1p12);
    }
    return r;
}

static int check_lstm_states(const struct op_check *c, bool is_int8, int32_t batch, int32_t cells) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    const int32_t state[2] = {batch, cells}, out[3] = {x->dims[0], x->dims[1], cells};
    if (!has_dims(check_in(c, 13), 2, state) || !has_dims(check_in(c, 14), 2, state))
        return check_invalid(c, "its states are not [%d, %d]", batch, cells);
    if (!has_dims(y, 3, out))
        return check_invalid(c, "its result is not [%d, %d, %d]", out[0], out[1], out[2]);
    int r = check_dtype(c, check_in(c, 13), "the hidden state", x->dtype);
    if (r)
        return r;
    return check_dtype(c, check_in(c, 14), "the cell state", is_int8 ? DTYPE_INT16 : DTYPE_FP32);
}

int check_lstm(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0);
    bool is_int8;
    int r = check_rank(c, x, "the input", 3);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r == 0)
        r = check_rank(c, check_in(c, 1), "a weight matrix", 2);
    if (r)
        return r;
    if (!(c->op->lstm.cell_clip >= 0 && isfinite(c->op->lstm.cell_clip)))
        return check_invalid(c, "cell clip %g", (double)c->op->lstm.cell_clip);
    int32_t cells = check_in(c, 1)->dims[0], in = x->dims[2];
    int32_t batch = c->op->lstm.time_major ? x->dims[1] : x->dims[0];
    for (int gate = 0; gate < 4 && r == 0; gate++) {
        r = check_matrix(c, 1 + gate, x->dtype, cells, in);
        if (r == 0)
            r = check_matrix(c, 5 + gate, x->dtype, cells, cells);
        if (r == 0)
            r = check_vector(c, 9 + gate, is_int8 ? DTYPE_INT32 : DTYPE_FP32, cells);
    }
    if (r == 0)
        r = check_lstm_states(c, is_int8, batch, cells);
    if (r == 0 && is_int8)
        r = check_lstm_scales(c);
    return r;
}

static int check_svdf_scales(const struct op_check *c) {
    const struct tensor *state = check_in(c, 4);
    int r = check_per_tensor(c, state, "the state");
    if (r)
        return r;
    float x = check_in(c, 0)->quant.scales[0], s = state->quant.scales[0];
    float feature = check_in(c, 1)->quant.scales[0], time = check_in(c, 2)->quant.scales[0];
    r = check_multiplier(c, (double)(x * feature / s));
    return r ? r : check_multiplier(c, (double)(s * time / check_out(c, 0)->quant.scales[0]));
}

/* Dims of all operands from those of feature weights [filters, in] and time weights [filters, memory]. */
static int check_svdf_dims(const struct op_check *c, int32_t *ret_filters, int32_t *ret_memory) {
    const struct tensor *x = check_in(c, 0), *w = check_in(c, 1), *time = check_in(c, 2);
    int r = check_rank(c, x, "the input", 2);
    if (r == 0)
        r = check_rank(c, w, "the feature weights", 2);
    if (r == 0)
        r = check_rank(c, time, "the time weights", 2);
    if (r)
        return r;
    int32_t filters = w->dims[0], memory = time->dims[1], rank = c->op->svdf.rank;
    if (rank < 1 || filters % rank)
        return check_invalid(c, "rank %d for %d filters", rank, filters);
    if (!has_dims(check_out(c, 0), 2, (int32_t[]){x->dims[0], filters / rank}))
        return check_invalid(c, "its result is not [%d, %d]", x->dims[0], filters / rank);
    const struct tensor *state = check_in(c, 4);
    if (state->n_dims != 2 || state->dims[0] != x->dims[0] ||
        state->dims[1] != (int64_t)filters * memory)
        return check_invalid(c, "its state is not [%d, %d * %d]", x->dims[0], filters, memory);
    *ret_filters = filters;
    *ret_memory = memory;
    return 0;
}

int check_svdf(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *state = check_in(c, 4);
    int32_t filters = 0, memory = 0;
    bool is_int8;
    int r = check_svdf_dims(c, &filters, &memory);
    if (r == 0)
        r = check_float_or_int8(c, &is_int8);
    if (r)
        return r;
    if (is_int8 ? state->dtype != DTYPE_INT8 && state->dtype != DTYPE_INT16
                : state->dtype != DTYPE_FP32)
        return check_unsupported(c, "its state is %s", dtype_name(state->dtype));
    r = check_matrix(c, 1, x->dtype, filters, x->dims[1]);
    if (r == 0)
        r = check_matrix(c, 2, state->dtype, filters, memory);
    if (r == 0)
        r = check_vector(c, 3, is_int8 ? DTYPE_INT32 : DTYPE_FP32, filters / c->op->svdf.rank);
    if (r == 0 && is_int8)
        r = check_svdf_scales(c);
    return r;
}

static int check_copy_of_state(const struct op_check *c, const struct tensor *value) {
    const struct tensor *state = check_in(c, 0);
    if (!check_same_dims(state, value))
        return check_invalid(c, "state and value differ in their dimensions");
    return check_dtype(c, value, "the value", state->dtype);
}

int check_read_state(const struct op_check *c) {
    return check_copy_of_state(c, check_out(c, 0));
}

int check_write_state(const struct op_check *c) {
    return check_copy_of_state(c, check_in(c, 1));
}

static int check_mfcc_parameters(const struct op_check *c, const struct op_mfcc *p) {
    if (p->sample_rate < 1 || p->fft < 2 || p->fft > MFCC_MAX_FFT || p->fft & (p->fft - 1))
        return check_invalid(c, "sample rate %d, FFT of %d", p->sample_rate, p->fft);
    if (p->frame < 1 || p->frame > p->fft || p->hop < 1)
        return check_invalid(c, "frame of %d samples every %d", p->frame, p->hop);
    if (p->bands < 1 || p->bands > MFCC_MAX_BANDS || p->coefficients < 1 ||
        p->coefficients > p->bands)
        return check_invalid(c, "%d coefficients of %d bands", p->coefficients, p->bands);
    if (p->first_bin < 0 || p->last_bin < p->first_bin || p->last_bin > p->fft / 2)
        return check_invalid(c, "bins %d to %d", p->first_bin, p->last_bin);
    if (!(p->low_hz >= 0 && p->high_hz > p->low_hz && p->high_hz <= (float)p->sample_rate / 2))
        return check_invalid(c, "bands from %g to %g Hz", (double)p->low_hz, (double)p->high_hz);
    if (!(p->floor > 0 && isfinite(p->floor)))
        return check_invalid(c, "floor %g", (double)p->floor);
    return 0;
}

int check_mfcc(const struct op_check *c) {
    const struct tensor *x = check_in(c, 0), *y = check_out(c, 0);
    const struct op_mfcc *p = &c->op->mfcc;
    int r = check_rank(c, x, "the input", 2);
    if (r == 0)
        r = check_mfcc_parameters(c, p);
    if (r == 0)
        r = check_dtype(c, y, "the result", DTYPE_FP32);
    if (r)
        return r;
    if (x->dtype != DTYPE_FP32 && x->dtype != DTYPE_INT16)
        return check_unsupported(c, "the input is %s", dtype_name(x->dtype));
    if (x->dims[0] != 1 || x->dims[1] < p->frame)
        return check_invalid(c, "its input is [%d, %d]", x->dims[0], x->dims[1]);
    int32_t frames = (x->dims[1] - p->frame) / p->hop + 1;
    if (!has_dims(y, 4, (int32_t[]){1, frames, p->coefficients, 1}))
        return check_invalid(c, "its result is not [1, %d, %d, 1]", frames, p->coefficients);
    return 0;
}
