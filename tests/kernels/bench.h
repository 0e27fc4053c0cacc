/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Times each operation of a tier beside its C reference and beside what the core can do at all, measured in the same run.
 * One thread.
 */

#include "tests/kernels/check.h"

/* Measures and prints the limits of c->tier; before the tier's first operation. */
void bench_start(struct check *c);
/* Times one operation of struct kernels, by its name. Convolutions have their own (check-conv.c). */
void bench_op(struct check *c, const char *op);
