/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * edgectl bench --crossover: up to which density sparse kernels pay here. One thread.
 */

struct ctl;

/* Measures all kinds and patterns at ctl->tier, prints them, and writes the file unless it is NULL.
 * Returns an exit code. */
int crossover_bench(const struct ctl *ctl, const char *file);
