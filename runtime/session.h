/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a session holds. Private to runtime/.
 */

#include <stddef.h>

struct image;

struct session {
    struct image *image; /* one reference */
    /* image_state_bytes(), aligned to RUNTIME_ARENA_ALIGN; NULL where the network keeps none */
    void *state;
};
