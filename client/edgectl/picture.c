/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpng's simplified interface: it converts depth and colours. The size is checked before anything is decoded.
 */

#include "client/edgectl/picture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <png.h>

#include "base/error.h"

static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

bool picture_probe(const void *bytes, size_t size) {
    return size >= sizeof(signature) && memcmp(bytes, signature, sizeof(signature)) == 0;
}

int picture_parse(const void *bytes, size_t size, uint32_t height, uint32_t width,
                  uint32_t channels, uint8_t *ret_pixels, struct diag *diag) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, bytes, size))
        return diag_set(diag, PICTURE_E_INVALID, "not a readable picture: %s", image.message);
    int r = 0;
    if (image.height != height || image.width != width) {
        r = diag_set(diag, PICTURE_E_INVALID,
                     "the picture has %" PRIu32 " x %" PRIu32 " pixels, the network takes %" PRIu32
                     " x %" PRIu32 ": resize it first",
                     image.width, image.height, width, height);
    } else {
        image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
        const png_color black = {0};
        if (!png_image_finish_read(&image, &black, ret_pixels, 0, NULL))
            r = diag_set(diag, PICTURE_E_INVALID, "not a readable picture: %s", image.message);
    }
    png_image_free(&image);
    return r;
}
