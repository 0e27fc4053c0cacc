/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs every sample of a data set through a source, with a bar. Called by one thread; it starts its own.
 */

#include "base/attributes.h"
#include "client/edgectl/source.h"

struct dataset;

/* ret_outputs: data->n values of the source's first output. What sweep_dataset() gives. */
_nodiscard_ int sweep_run(struct source *source, const struct dataset *data, void *ret_outputs,
                          struct diag *diag);
/* How many items to send at a time. */
uint32_t sweep_batch(const struct source *source);
