/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the pass `prune-structure`: the order in which units of channels go so that the layers that read them lose
 * least, given that their other inputs make up for it. One thread.
 */

#include <stdint.h>

#include "base/attributes.h"

struct channels;
struct diag;
struct moments;

/*
 * `moments` of channels->layers, with Gram matrices. ret_order[n_units] has the units of one group after the other, in the
 * order in which they go. -ENOMEM, COMPRESS_E_INVALID.
 */
_nodiscard_ int greedy_order(const struct channels *channels, const struct moments *moments,
                             double damping, uint32_t *ret_order, struct diag *diag);
