/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Parts of `edgectl compress`. One thread.
 */

struct cJSON;
struct ctl;

/* Prints every pass with its options, as tables or as a document. Exit code. */
int compress_print_passes(const struct ctl *ctl);

/* One step of a report's document: "2. prune: …". */
void compress_print_step(const struct cJSON *report, int step);
/* What the report says of the networks as a whole, before and after. 0 or -ENOMEM. */
int compress_print_figures(const struct cJSON *report);
