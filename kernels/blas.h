/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * OpenBLAS behind one door. It is not linked but loaded when the first float network needs it, for
 * two reasons: a daemon that serves int8 networks only stays small, and OpenBLAS picks its kernels
 * once, while it is loaded. Debian's 0.3.21 does not know CPUs newer than itself, takes them for a
 * Prescott and is six times slower than it could be; the variable OPENBLAS_CORETYPE is the only way
 * to tell it, so it must be set before. What the user has set there is left alone. A library that
 * knows the CPU would choose sgemm kernels for the same instructions, so nothing is lost by naming
 * them.
 *
 * One thread: the workers are the parallelism. All calls may come from any number of threads at
 * once.
 */

#include <stdbool.h>

#include "kernels/kernels.h"

/* Sets the variables OpenBLAS reads while it is loaded. kernels_get() does, so that it happens early,
 * while there are no threads that could read the environment meanwhile. */
void blas_prepare(void);
/* Loads the library on the first call, false if there is none. */
bool blas_available(void);
/* Which kernels it runs ("SkylakeX"), NULL where it is not available. */
const char *blas_core(void);

/* A function of the library, of BLAS or LAPACK, by its symbol: *ret_function is a pointer to a function. False where the
 * library or the symbol is not there. */
bool blas_symbol(const char *name, void *ret_function);

/*
 * Row major, only where blas_available(): c [m, n] += a [m, k] * transposed b [n, k]. lda, ldb,
 * ldc: elements from one row to the next.
 */
void blas_gemm_f32(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                   int ldc);

/* Whether it can run this convolution at all; the refuses() of the implementation below asks for a
 * useful size first, so that networks without large products never load the library. */
bool kern_conv_f32_blas_possible(const struct kern_conv *p);
extern const struct kern_conv_impl kern_conv_f32_blas;
