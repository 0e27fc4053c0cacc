/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is asked of each figure. A figure is printed beside its bound; misses are counted.
 */

#include "kernels/cpu.h"

/* 0 where nothing is asked. */
struct bound {
    double at_least, at_most;
};

/* Prints one line; counts a miss. */
void bounds_check(const char *subject, const char *figure, double value, struct bound bound);
unsigned bounds_missed(void);
