/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capped byte buffer: doubles up to its cap, never beyond.
 */

#include "base/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"

/* More than malloc caches for each thread: what buffers leave behind while they grow would pin a page of the heap each. */
#define BUFFER_FIRST 2048

void buffer_init(struct buffer *b, size_t max) {
    *b = (struct buffer){.max = max};
}

void buffer_deinit(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){0};
}

int buffer_reserve(struct buffer *b, size_t more) {
    size_t need;
    if (!size_add(b->len, more, &need) || need > b->max)
        return -EMSGSIZE;
    if (need <= b->cap)
        return 0;
    size_t cap = MAX(b->cap, (size_t)BUFFER_FIRST);
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    cap = MAX(MIN(cap, b->max), need);
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return err_origin(-ENOMEM);
    b->data = data;
    b->cap = cap;
    return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t len) {
    int r = buffer_reserve(b, len);
    if (r)
        return r;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

int buffer_printf(struct buffer *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_origin(-EINVAL);
    /* vsnprintf writes a terminator, which stays outside `len`. */
    int r = buffer_reserve(b, (size_t)n + 1);
    if (r)
        return r;
    va_start(ap, fmt);
    vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void buffer_consume(struct buffer *b, size_t len) {
    edge_assert(len <= b->len);
    b->len -= len;
    if (b->len)
        memmove(b->data, b->data + len, b->len);
}

void buffer_reset(struct buffer *b, size_t keep) {
    b->len = 0;
    if (b->cap > keep) {
        free(b->data);
        b->data = NULL;
        b->cap = 0;
    }
}

void buffer_exchange(struct buffer *a, struct buffer *b) {
    uint8_t *data = a->data;
    size_t cap = a->cap;
    a->data = b->data;
    a->cap = b->cap;
    b->data = data;
    b->cap = cap;
}
