/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's figures in the Prometheus text format 0.0.4. Loop thread.
 */

#include <stddef.h>

#include "base/attributes.h"

struct buffer;
struct server;

#define METRICS_MAX_BYTES ((size_t)16 << 20)

/* Appends the text and a NUL. -ENOMEM, -EMSGSIZE. */
_nodiscard_ int metrics_write(struct server *server, struct buffer *text);
