/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stockham's transform: each pass reads one buffer in order and writes the other, so that nothing is permuted and the
 * inner loops, which run along `stride`, become vector code (Van Loan, "Computational Frameworks for the Fast Fourier
 * Transform", 1992, section 1.7). A real signal is transformed as half as many complex numbers.
 *
 * Tables: cos(2 pi k / n) for k < n, then -sin(2 pi k / n).
 */

#include "kernels/fft.h"

#include <math.h>

size_t fft_tables_size(size_t n) {
    return 2 * n;
}

size_t fft_work_size(size_t n) {
    return 2 * n;
}

void fft_tables(size_t n, double *ret_tables) {
    for (size_t k = 0; k < n; k++) {
        ret_tables[k] = cos(2 * M_PI * (double)k / (double)n);
        ret_tables[n + k] = -sin(2 * M_PI * (double)k / (double)n);
    }
}

/* One pass over m complex numbers: sub-transforms of n4 * 4 numbers each become four of n4. `turn` is the step in the
 * tables, `n` their length. */
static void pass4(size_t n, const double *tables, size_t m, size_t n4, size_t stride, size_t turn,
                  const double *restrict x, double *restrict y) {
    const double *xr = x, *xi = x + m;
    double *yr = y, *yi = y + m;
    const size_t quarter = n4 * stride;
    for (size_t p = 0; p < n4; p++) {
        const double *c = tables + p * turn, *s = c + n;
        const double c1 = c[0], s1 = s[0], c2 = c[p * turn], s2 = s[p * turn];
        const double c3 = c[2 * p * turn], s3 = s[2 * p * turn];
        for (size_t q = 0; q < stride; q++) {
            const size_t from = p * stride + q, to = 4 * p * stride + q;
            const double ar = xr[from], ai = xi[from];
            const double br = xr[from + quarter], bi = xi[from + quarter];
            const double dr = xr[from + 2 * quarter], di = xi[from + 2 * quarter];
            const double er = xr[from + 3 * quarter], ei = xi[from + 3 * quarter];
            const double sum_r = ar + dr, sum_i = ai + di, dif_r = ar - dr, dif_i = ai - di;
            const double two_r = br + er, two_i = bi + ei, rot_r = bi - ei, rot_i = er - br;
            const double ur = dif_r + rot_r, ui = dif_i + rot_i;
            const double vr = sum_r - two_r, vi = sum_i - two_i;
            const double wr = dif_r - rot_r, wi = dif_i - rot_i;
            yr[to] = sum_r + two_r;
            yi[to] = sum_i + two_i;
            yr[to + stride] = ur * c1 - ui * s1;
            yi[to + stride] = ur * s1 + ui * c1;
            yr[to + 2 * stride] = vr * c2 - vi * s2;
            yi[to + 2 * stride] = vr * s2 + vi * c2;
            yr[to + 3 * stride] = wr * c3 - wi * s3;
            yi[to + 3 * stride] = wr * s3 + wi * c3;
        }
    }
}

/* The first pass where m is no power of four. */
static void pass2(size_t n, const double *tables, size_t m, const double *restrict x,
                  double *restrict y) {
    const size_t half = m / 2;
    for (size_t p = 0; p < half; p++) {
        const double c = tables[2 * p], s = tables[n + 2 * p];
        const double dif_r = x[p] - x[p + half], dif_i = x[m + p] - x[m + p + half];
        y[2 * p] = x[p] + x[p + half];
        y[m + 2 * p] = x[m + p] + x[m + p + half];
        y[2 * p + 1] = dif_r * c - dif_i * s;
        y[m + 2 * p + 1] = dif_r * s + dif_i * c;
    }
}

const double *fft_run(size_t n, const double *tables, double *work) {
    const size_t m = n / 2;
    double *x = work, *y = work + 2 * m;
    size_t left = m, stride = 1;
    if (__builtin_ctzll(m) % 2) {
        pass2(n, tables, m, x, y);
        double *t = x;
        x = y;
        y = t;
        left /= 2;
        stride *= 2;
    }
    for (; left > 1; left /= 4, stride *= 4) {
        pass4(n, tables, m, left / 4, stride, 2 * stride, x, y);
        double *t = x;
        x = y;
        y = t;
    }
    return x;
}

double fft_magnitude(size_t n, const double *tables, const double *result, size_t k) {
    const size_t m = n / 2, at = k % m, mirror = (m - at) % m;
    const double *re = result, *im = result + m;
    /* The transforms of the even and of the odd samples, twice each. */
    const double even_r = re[at] + re[mirror], even_i = im[at] - im[mirror];
    const double odd_r = im[at] + im[mirror], odd_i = re[mirror] - re[at];
    const double c = tables[k], s = tables[n + k];
    const double r = even_r + odd_r * c - odd_i * s, i = even_i + odd_r * s + odd_i * c;
    return sqrt(r * r + i * i) / 2;
}
