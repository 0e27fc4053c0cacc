/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the container's reader: header and segments of a file, checked and decoded. Owned by its caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "model/coded.h"
#include "model/container-format.h"

struct diag;

struct segment {
    uint16_t kind;
    uint8_t encoding;
    bool skipped;        /* a kind this reader does not know and need not know */
    const uint8_t *data; /* decoded; in the file, or in the mapping of what is not plain there */
    size_t size;
    const uint8_t *stored;
    size_t stored_size;
    size_t used;            /* end of the constant that was placed last */
    struct coded_walk walk; /* the piece that is looked at next, for container_stored() */
};

struct segments {
    struct segment list[CONTAINER_MAX_SEGMENTS];
    uint32_t n;
    struct map decoded; /* all that was not plain, each at a multiple of 64; empty where all was */
};

/* 0, -ENOMEM, MODEL_E_INVALID, MODEL_E_UNSUPPORTED. */
_nodiscard_ int segments_read(struct segments *ret, const uint8_t *file, size_t size,
                              struct diag *diag);
void segments_deinit(struct segments *s);
