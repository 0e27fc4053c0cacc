/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: the state of streaming networks, one per client.
 */

#include "runtime/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "runtime/image-format.h"

int session_new(struct image *image, struct session **ret_session) {
    _cleanup_(session_freep) struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return err_origin(-ENOMEM);
    size_t size = image_state_bytes(image);
    if (size) {
        session->state = aligned_alloc(RUNTIME_ARENA_ALIGN, size);
        if (!session->state)
            return err_origin(-ENOMEM);
    }
    session->image = image_ref(image);
    session_reset(session);
    *ret_session = steal(&session);
    return 0;
}

struct session *session_free(struct session *session) {
    if (!session)
        return NULL;
    free(session->state);
    image_unref(session->image);
    free(session);
    return NULL;
}

void session_freep(struct session **session) {
    *session = session_free(*session);
}

void session_reset(struct session *session) {
    const struct image_header *h = session->image->header;
    if (h->state_bytes)
        memcpy(session->state, image_at(session->image, h->state_initial), h->state_bytes);
}
