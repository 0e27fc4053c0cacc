/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pictures as a picture network takes them, read by libpng. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct diag;

enum {
    PICTURE_E_INVALID = 1, /* not a PNG file, or a picture of another size */
};

/* Whether the bytes begin like a PNG file. */
bool picture_probe(const void *bytes, size_t size);
/* Fills ret_pixels[height][width][channels] with the picture in 8 bits, gray (channels 1) or RGB (3); transparent parts
 * are black. A picture of another size is an error. 0, -ENOMEM or PICTURE_E_INVALID. */
_nodiscard_ int picture_parse(const void *bytes, size_t size, uint32_t height, uint32_t width,
                              uint32_t channels, uint8_t *ret_pixels, struct diag *diag);
