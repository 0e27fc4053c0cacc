/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Adaptive rounding (Nagel et al. 2020, Up or Down?, arXiv 2004.10568): each weight goes to the code below or above it,
 * chosen so that the layer's results, not its weights, stay near. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"

struct diag;
struct grid;
struct moments;

/*
 * Sets the codes at the grid's scales. `moments` are those of the layer's inputs with their Gram matrices. Never worse,
 * for these inputs, than rounding to the nearest; zeros stay zeros. Deterministic. 0, -ENOMEM, COMPRESS_E_INVALID: no OpenBLAS.
 */
_nodiscard_ int adaround(struct grid *grid, const struct moments *moments, uint32_t iterations,
                         struct diag *diag);

/* The mean squared error of the results of output channel `row` on the moments' inputs. */
double adaround_loss(const struct grid *grid, const struct moments *moments, uint32_t row);
