/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refit of the weights that stay. With S the kept inputs of an output and P the pruned ones, the change d of the kept
 * weights that makes up best for the others solves H_SS d = H_SP w_P; damping keeps d small where the data says little.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/linalg.h"
#include "compress/prune.h"

struct room {
    uint32_t *inputs;
    double *h;     /* [depth][depth] */
    double *b, *x; /* [out][depth] */
};

static int room_init(struct room *room, const struct layer *l) {
    size_t depth = l->depth;
    room->inputs = malloc(depth * sizeof(*room->inputs));
    room->h = malloc(depth * depth * sizeof(double));
    room->b = malloc(l->out * depth * sizeof(double));
    room->x = malloc(l->out * depth * sizeof(double));
    return room->inputs && room->h && room->b && room->x ? 0 : err_origin(-ENOMEM);
}

static void room_deinit(struct room *room) {
    free(room->inputs);
    free(room->h);
    free(room->b);
    free(room->x);
}

/* H_SP w_P of one channel. */
static void lost(const struct prune_layer *p, uint32_t c, const uint32_t *inputs, uint32_t n,
                 double *ret_b) {
    size_t depth = p->layer.depth;
    const double *h = prune_h(p, c), *w = p->w0 + c * depth;
    const uint8_t *kept = p->kept + c * depth;
    memset(ret_b, 0, n * sizeof(*ret_b));
    for (size_t k = 0; k < depth; k++)
        for (uint32_t i = 0; !kept[k] && w[k] != 0 && i < n; i++)
            ret_b[i] += h[k * depth + inputs[i]] * w[k];
}

/* Channels that are pruned alike are solved with one factor. */
static int refit_alike(struct prune_layer *p, uint32_t c, uint32_t n_alike, double damping,
                       struct room *room, struct diag *diag) {
    size_t depth = p->layer.depth;
    uint32_t n = prune_kept(p, c, room->inputs);
    memset(p->w + c * depth, 0, n_alike * depth * sizeof(*p->w));
    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < n_alike; i++)
        lost(p, c + i, room->inputs, n, room->b + (size_t)i * n);
    prune_submatrix(p, c, room->inputs, n, room->h);
    int r = linalg_solve(n, room->h, damping, n_alike, room->b, room->x, diag);
    for (uint32_t i = 0; i < n_alike && r == 0; i++) {
        for (uint32_t k = 0; k < n; k++) {
            size_t at = (c + i) * depth + room->inputs[k];
            p->w[at] = p->w0[at] + room->x[(size_t)i * n + k];
        }
    }
    return r;
}

int prune_refit(struct prune_layer *p, double damping, struct diag *diag) {
    _cleanup_(room_deinit) struct room room = {0};
    int r = room_init(&room, &p->layer);
    for (uint32_t c = 0, n; c < p->layer.out && r == 0; c += n) {
        n = prune_alike(p, c);
        r = refit_alike(p, c, n, damping, &room, diag);
    }
    return r;
}
