/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Parts of `edgectl compress`. One thread.
 */

struct ctl;

/* Prints every pass with its options, as tables or as a document. Exit code. */
int compress_print_passes(const struct ctl *ctl);
