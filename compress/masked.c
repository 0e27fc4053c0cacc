/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With S the kept inputs of an output, the change d of their weights solves H_SS d = r_S. Channels that keep the same
 * inputs share the factor of H_SS.
 */

#include "compress/masked.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/linalg.h"
#include "compress/moments.h"

double *masked_h_of(const struct moments *m, bool centred) {
    size_t depth = m->depth, square = depth * depth;
    double *h = malloc(m->groups * square * sizeof(*h)), rows = (double)m->rows;
    for (size_t g = 0; h && g < m->groups; g++) {
        const double *sum = m->sum + g * depth, *gram = m->gram + g * square;
        for (size_t i = 0; i < depth; i++)
            for (size_t j = 0; j < depth; j++)
                h[g * square + i * depth + j] =
                    gram[i * depth + j] / rows - (centred ? sum[i] / rows * (sum[j] / rows) : 0);
    }
    return h;
}

uint32_t masked_alike(const struct masked *m, uint32_t c) {
    const uint8_t *kept = m->kept + (size_t)c * m->depth;
    uint32_t n = 1;
    while (c + n < m->out && masked_h(m, c + n) == masked_h(m, c) &&
           memcmp(kept + (size_t)n * m->depth, kept, m->depth) == 0)
        n++;
    return n;
}

uint32_t masked_kept(const struct masked *m, uint32_t c, uint32_t *ret_inputs) {
    const uint8_t *kept = m->kept + (size_t)c * m->depth;
    uint32_t n = 0;
    for (uint32_t k = 0; k < m->depth; k++)
        if (kept[k])
            ret_inputs[n++] = k;
    return n;
}

void masked_submatrix(const struct masked *m, uint32_t c, const uint32_t *inputs, uint32_t n,
                      double *ret_h) {
    const double *h = masked_h(m, c);
    for (uint32_t i = 0; i < n; i++) {
        const double *row = h + (size_t)inputs[i] * m->depth;
        for (uint32_t j = 0; j < n; j++)
            ret_h[(size_t)i * n + j] = row[inputs[j]];
    }
}

int masked_multiply(const struct masked *m, const double *weights, double *ret, struct diag *diag) {
    size_t outs = m->out / m->groups, n = outs * m->depth;
    int r = 0;
    for (size_t g = 0; g < m->groups && r == 0; g++)
        r = linalg_multiply(outs, m->depth, m->depth, weights + g * n, false,
                            m->h + g * m->depth * m->depth, false, ret + g * n, diag);
    return r;
}

int masked_error(int r, struct diag *diag) {
    if (r <= 0)
        return r;
    return diag_set(diag, r,
                    "damping: the inputs of a layer say too little about its weights: take more "
                    "samples, or more damping");
}

struct room {
    uint32_t *inputs;
    double *h;     /* [depth][depth] */
    double *b, *x; /* [out][depth] */
};

static int room_init(struct room *room, const struct masked *m) {
    size_t depth = m->depth;
    room->inputs = malloc(depth * sizeof(*room->inputs));
    room->h = malloc(depth * depth * sizeof(double));
    room->b = malloc(m->out * depth * sizeof(double));
    room->x = malloc(m->out * depth * sizeof(double));
    return room->inputs && room->h && room->b && room->x ? 0 : err_origin(-ENOMEM);
}

static void room_deinit(struct room *room) {
    free(room->inputs);
    free(room->h);
    free(room->b);
    free(room->x);
}

static int solve_alike(const struct masked *m, uint32_t c, uint32_t n_alike, double damping,
                       const double *residual, double *w, struct room *room, struct diag *diag) {
    uint32_t n = masked_kept(m, c, room->inputs);
    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < n_alike; i++)
        for (uint32_t k = 0; k < n; k++)
            room->b[(size_t)i * n + k] = residual[(size_t)(c + i) * m->depth + room->inputs[k]];
    masked_submatrix(m, c, room->inputs, n, room->h);
    int r = masked_error(linalg_solve(n, room->h, damping, n_alike, room->b, room->x, diag), diag);
    for (uint32_t i = 0; i < n_alike && r == 0; i++)
        for (uint32_t k = 0; k < n; k++)
            w[(size_t)(c + i) * m->depth + room->inputs[k]] += room->x[(size_t)i * n + k];
    return r;
}

int masked_solve(const struct masked *m, double damping, const double *residual, double *w,
                 struct diag *diag) {
    _cleanup_(room_deinit) struct room room = {0};
    int r = room_init(&room, m);
    for (uint32_t c = 0, n; c < m->out && r == 0; c += n) {
        n = masked_alike(m, c);
        r = solve_alike(m, c, n, damping, residual, w, &room, diag);
    }
    return r;
}
