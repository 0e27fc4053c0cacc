/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real values to and from a port's datatype, as QUANTIZE and DEQUANTIZE define them.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "runtime/runtime.h"

/* Element i of x as a real value. Integers beyond 2^53 are rounded, like any double. */
static double real_at(enum dtype dtype, const void *x, size_t i) {
    const char *p = (const char *)x + i * dtype_size(dtype);
    switch (dtype) {
    case DTYPE_FP32: {
        float v;
        memcpy(&v, p, sizeof(v));
        return (double)v;
    }
    case DTYPE_FP64: {
        double v;
        memcpy(&v, p, sizeof(v));
        return v;
    }
    case DTYPE_INT8:
        return *(const int8_t *)p;
    case DTYPE_UINT8:
    case DTYPE_BOOL:
        return *(const uint8_t *)p;
    case DTYPE_INT16: {
        int16_t v;
        memcpy(&v, p, sizeof(v));
        return v;
    }
    case DTYPE_INT32: {
        int32_t v;
        memcpy(&v, p, sizeof(v));
        return v;
    }
    case DTYPE_INT64: {
        int64_t v;
        memcpy(&v, p, sizeof(v));
        return (double)v;
    }
    case DTYPE_INT4: /* in networks only */
    case DTYPE_NONE:
        break;
    }
    return 0.0;
}

static void integer_range(enum dtype dtype, double *ret_lo, double *ret_hi) {
    bool is_unsigned = dtype == DTYPE_UINT8;
    int bits = 8 * (int)dtype_size(dtype);
    *ret_lo = is_unsigned ? 0.0 : -ldexp(1.0, bits - 1);
    *ret_hi = ldexp(1.0, is_unsigned ? bits : bits - 1) - 1.0;
}

static void store_integer(enum dtype dtype, void *y, size_t i, double v) {
    char *p = (char *)y + i * dtype_size(dtype);
    switch (dtype) {
    case DTYPE_INT8:
        *(int8_t *)p = (int8_t)v;
        break;
    case DTYPE_UINT8:
        *(uint8_t *)p = (uint8_t)v;
        break;
    case DTYPE_INT16:
        memcpy(p, &(int16_t){(int16_t)v}, 2);
        break;
    default:
        memcpy(p, &(int32_t){(int32_t)v}, 4);
        break;
    }
}

/* round(real / scale) in float, halves away from zero, plus the zero point; NaN becomes the zero point. */
static double quantize(const struct port *port, double real, double lo, double hi) {
    double q = (double)roundf((float)real / port->scale) + port->zero_point;
    if (isnan(q))
        return port->zero_point;
    return fmin(fmax(q, lo), hi);
}

/* An integer port without a scale holds plain integers (sound samples, pixels, token numbers). */
static double round_plain(double real, double lo, double hi) {
    return isnan(real) ? 0.0 : fmin(fmax(round(real), lo), hi);
}

/* More than any byte lies away from any zero point, and far below where floats lose their fractions. */
#define FAR 1024.0F
/* The largest float below a half: added to it, what is below a half stays below one, and a half becomes one. */
#define BELOW_HALF 0x1.fffffep-2F

/* quantize() from FP32 into bytes, of which the highest is `hi`. Without branches, so that the compiler does many at once. */
static void quantize_bytes(const struct port *port, const void *x, size_t n, int32_t hi,
                           uint8_t *ret_y) {
    float scale = port->scale;
    int32_t zero = port->zero_point;
    for (size_t i = 0; i < n; i++) {
        float v;
        memcpy(&v, (const char *)x + i * sizeof(v), sizeof(v));
        v /= scale;
        v = v == v ? v : 0.0F;
        v = v > FAR ? FAR : v;
        v = v < -FAR ? -FAR : v;
        int32_t q = (int32_t)(v + (v < 0.0F ? -BELOW_HALF : BELOW_HALF)) + zero;
        q = q > hi ? hi : q;
        q = q < hi - 255 ? hi - 255 : q;
        ret_y[i] = (uint8_t)q;
    }
}

int port_quantize(const struct port *port, enum dtype from, const void *x, size_t n, void *ret_y) {
    if (from == port->dtype) {
        memcpy(ret_y, x, n * dtype_size(from));
        return 0;
    }
    if (dtype_size(from) == 0)
        return -EINVAL;
    if (port->dtype == DTYPE_FP32) {
        for (size_t i = 0; i < n; i++)
            ((float *)ret_y)[i] = (float)real_at(from, x, i);
        return 0;
    }
    if (port->dtype != DTYPE_INT8 && port->dtype != DTYPE_UINT8 && port->dtype != DTYPE_INT16 &&
        port->dtype != DTYPE_INT32)
        return -EINVAL;
    if (from == DTYPE_FP32 && port->scale > 0.0F && dtype_size(port->dtype) == 1) {
        quantize_bytes(port, x, n, port->dtype == DTYPE_INT8 ? INT8_MAX : UINT8_MAX, ret_y);
        return 0;
    }
    double lo, hi;
    integer_range(port->dtype, &lo, &hi);
    for (size_t i = 0; i < n; i++) {
        double real = real_at(from, x, i);
        double q = port->scale > 0.0F ? quantize(port, real, lo, hi) : round_plain(real, lo, hi);
        store_integer(port->dtype, ret_y, i, q);
    }
    return 0;
}

int port_dequantize(const struct port *port, const void *x, size_t n, float *ret_y) {
    if (dtype_size(port->dtype) == 0)
        return -EINVAL;
    float scale = port->scale > 0.0F ? port->scale : 1.0F;
    int32_t zero = port->scale > 0.0F ? port->zero_point : 0;
    if (port->dtype == DTYPE_FP32) {
        memcpy(ret_y, x, n * sizeof(float));
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        ret_y[i] = (float)((double)scale * (real_at(port->dtype, x, i) - zero));
    return 0;
}
