/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Float activations by integer weights in the loops of the definition (kernels/conv-hybrid.h), sums in double precision.
 */

#include <math.h>
#include <stdlib.h>

#include "tests/kernels/naive.h"

static int weight(const struct kern_conv *p, const void *filter, size_t i) {
    if (p->weight_bits == 8)
        return ((const int8_t *)filter)[i];
    const int nibble = ((const uint8_t *)filter)[i / 2] >> (i % 2 ? 4 : 0) & 15;
    return nibble < 8 ? nibble : nibble - 16;
}

/* Pixel (iy, ix) of x, and the largest magnitude of what shares its scale. */
static float largest(const struct kern_conv *p, const float *x, int iy, int ix) {
    const size_t pixels = (size_t)p->in_h * p->in_w;
    const size_t first = p->scale_pixels ? ((size_t)iy * p->in_w + ix) * p->in_c : 0;
    const size_t n = p->scale_pixels ? (size_t)p->in_c : pixels * p->in_c;
    float m = 0;
    for (size_t i = first; i < first + n; i++) {
        if (!isfinite(x[i]))
            return NAN;
        m = fmaxf(m, fabsf(x[i]));
    }
    return m;
}

/* One result; *ret_terms: the sum of the magnitudes it is made of. */
static float value(const struct kern_conv *p, const struct kern_conv_weights *w, const float *x,
                   float m, int oy, int ox, int o, double *ret_terms) {
    const float inverse = m < 0x1p-120F ? 0 : 127 / m;
    const double scale = m < 0x1p-120F ? 0 : (double)m / 127;
    const int groups = p->in_c / p->group_in_c, first = o / (p->out_c / groups) * p->group_in_c;
    const size_t depth = (size_t)p->kernel_h * p->kernel_w * p->group_in_c;
    const float bias = w->bias ? ((const float *)w->bias)[o] : 0;
    double sum = 0, terms = 0;
    int64_t acc = 0;
    for (size_t k = 0; k < depth; k++) {
        const int c = (int)(k % p->group_in_c), kx = (int)(k / p->group_in_c % p->kernel_w);
        const int ky = (int)(k / p->group_in_c / p->kernel_w);
        const int iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        const int ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
        const bool inside = iy >= 0 && iy < p->in_h && ix >= 0 && ix < p->in_w;
        const size_t at = ((size_t)iy * p->in_w + ix) * p->in_c + first + c;
        if (inside)
            acc += (int64_t)rintf(x[at] * inverse) * weight(p, w->filter, o * depth + k);
        if ((k + 1) % p->scale_group == 0) {
            const size_t g = (o * depth + k) / p->scale_group;
            sum += (double)w->scales[g] * (double)acc;
            terms += fabs((double)w->scales[g] * (double)acc);
            acc = 0;
        }
    }
    const double y = sum * scale + (double)bias;
    *ret_terms = terms * scale + fabs((double)bias);
    return y < (double)p->out_min_f   ? p->out_min_f
           : y > (double)p->out_max_f ? p->out_max_f
                                      : (float)y;
}

double naive_conv_hybrid(const struct kern_conv *p, const struct kern_conv_weights *w,
                         const float *x, float *y) {
    const float whole = p->scale_pixels ? 0 : largest(p, x, 0, 0);
    double most = 0;
    for (int oy = 0; oy < p->out_h; oy++) {
        for (int ox = 0; ox < p->out_w; ox++) {
            /* where pixels have scales, results are products of one */
            const float m = p->scale_pixels ? largest(p, x, oy, ox) : whole;
            for (int o = 0; o < p->out_c; o++) {
                double terms = 0;
                *y++ = isnan(m) ? NAN : value(p, w, x, m, oy, ox, o, &terms);
                most = fmax(most, terms);
            }
        }
    }
    return most;
}
