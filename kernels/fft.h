/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Fourier transform of real signals, in double precision, of a power of two of samples. Tables are made once and hold no
 * pointers, so that they can lie in an image. Allocates nothing; any thread.
 */

#include <stddef.h>

/* Doubles of the tables and of the working memory for n samples, n >= 2. */
size_t fft_tables_size(size_t n);
size_t fft_work_size(size_t n);
void fft_tables(size_t n, double *ret_tables);

/* `work` begins with the n / 2 even samples, then the n / 2 odd ones. Returns where in `work` the transform of them as
 * complex numbers is: n / 2 real parts, then n / 2 imaginary parts, for fft_magnitude(). */
const double *fft_run(size_t n, const double *tables, double *work);
/* |X[k]| of the real signal's transform, k from 0 to n / 2. */
double fft_magnitude(size_t n, const double *tables, const double *result, size_t k);
