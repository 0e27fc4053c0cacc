/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Places the values of a plan in one arena so that two share bytes only where their lifetimes do not meet.
 */

#include "base/attributes.h"

struct plan;

/* Sets the offset of every value in SPACE_ARENA and plan->arena_bytes. 0, -ENOMEM, MODEL_E_UNSUPPORTED (over 4 GiB). */
_nodiscard_ int place_values(struct plan *plan);
