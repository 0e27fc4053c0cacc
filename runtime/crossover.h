/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Crossovers (kernels/sparse.h) measured on this machine, and the small text file that keeps them:
 *
 *     [avx512vnni]
 *     s8-vector-4x1 = 0.45
 *
 * a section for each tier, a line for each kind of product and pattern, the density up to which the
 * sparse kernel is taken, from 0 (never) to 1. Blank lines and lines that begin with '#' count for
 * nothing; what a file does not name keeps its value.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "kernels/sparse.h"

struct diag;

#define CROSSOVER_DEFAULT_FILE "/var/lib/edged/crossover"
#define CROSSOVER_TEXT_MAX 1024 /* a tier's section with its NUL */

/* A line of the file is not valid. */
#define CROSSOVER_E_INVALID 1

/* Values of one tier or of several; -1: not named. */
struct crossovers {
    float value[TIER_END][SPARSE_KIND_END][KERN_PATTERN_END];
};

/* Reads a file's text. CROSSOVER_E_INVALID: `diag` says "ORIGIN:LINE: what". Any thread. */
_nodiscard_ int crossover_parse(const char *origin, const char *text, size_t size,
                                struct crossovers *ret, struct diag *diag);
/* Reads a file and puts it to use: before networks are compiled, while there is one thread. A file
 * that is not there is none. CROSSOVER_E_INVALID, a negative errno; nothing is changed then. */
_nodiscard_ int crossover_load(const char *path, struct diag *diag);

/* Densities at which a pattern is timed. */
#define CROSSOVER_DENSITIES 8
extern const double crossover_densities[CROSSOVER_DENSITIES];

struct crossover_result {
    const char *sparse, *dense;        /* kernels; NULL: this tier has no sparse one */
    double ratio[CROSSOVER_DENSITIES]; /* dense / sparse, the least of the shapes timed */
    float crossover;
};

/* Times a kind and pattern at a tier on typical shapes, about half a second. 0, -ENOMEM. */
_nodiscard_ int crossover_measure(enum tier tier, enum sparse_kind kind, enum kern_pattern pattern,
                                  struct crossover_result *ret);
/* A tier's section as text. */
void crossover_format(enum tier tier,
                      const struct crossover_result results[SPARSE_KIND_END][KERN_PATTERN_END],
                      char ret[CROSSOVER_TEXT_MAX]);
