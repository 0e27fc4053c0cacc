/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growing byte buffer with a hard cap. Embedded by its owner; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct buffer {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* growth beyond this fails with -EMSGSIZE */
};

/* Allocates nothing yet. */
void buffer_init(struct buffer *b, size_t max);
void buffer_deinit(struct buffer *b);
/* Makes room for `more` bytes after `len`. -EMSGSIZE above the cap, -ENOMEM. */
_nodiscard_ int buffer_reserve(struct buffer *b, size_t more);
_nodiscard_ int buffer_append(struct buffer *b, const void *data, size_t len);
_nodiscard_ int buffer_printf(struct buffer *b, const char *fmt, ...) _printf_(2, 3);
/* Drops the first `len` bytes. */
void buffer_consume(struct buffer *b, size_t len);
/* Empties it and gives memory above `keep` bytes back. */
void buffer_reset(struct buffer *b, size_t keep);
/* Two buffers exchange their memory, but not what they say of it: `len` and `max` stay. */
void buffer_exchange(struct buffer *a, struct buffer *b);
