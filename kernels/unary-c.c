/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of one argument: the table look-up every int8 function is, and the float ones that call
 * libm.
 */

#include <math.h>

#include "kernels/float-math.h"
#include "kernels/list.h"

void kern_lut_8_c(const uint8_t table[256], const uint8_t *x, uint8_t *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}

void kern_logistic_f32_c(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = logistic_f32(x[i]);
}

void kern_tanh_f32_c(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = tanhf(x[i]);
}
