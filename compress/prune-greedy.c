/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greedy backward elimination (as Luo, Wu, Lin: ThiNet, ICCV 2017, choose channels by what the next layer's output
 * loses, with the refit counted in). For a layer with weights W and the inverse J of its inputs' matrix, the loss of the
 * inputs B is w_B' (J_BB)^-1 w_B for each output; then W and J are those without B: Schur complements.
 */

#include "compress/prune-greedy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/channels.h"
#include "compress/linalg.h"
#include "compress/masked.h"
#include "compress/moments.h"
#include "model/graph.h"

/* A layer that reads channels which can go. */
struct reader {
    uint32_t depth, out;
    double *inverse;      /* [depth][depth] */
    double *w;            /* [out][depth], each output scaled to a mean square of 1 / out */
    uint32_t *units;      /* [depth] */
    uint32_t *block;      /* [depth]: inputs of the unit looked at */
    double *factor, *row; /* room: [depth][depth], [depth] */
};

struct greedy {
    const struct channels *channels;
    struct reader *readers;
    uint32_t n_readers;
    bool *gone; /* [n_units] */
};

static void reader_deinit(struct reader *r) {
    free(r->inverse);
    free(r->w);
    free(r->units);
    free(r->block);
    free(r->factor);
    free(r->row);
}

static void greedy_deinit(struct greedy *g) {
    for (uint32_t i = 0; i < g->n_readers; i++)
        reader_deinit(&g->readers[i]);
    free(g->readers);
    free(g->gone);
}

/* Each output counts by its share of the layer's energy. */
static void scale_outputs(struct reader *r, const double *h) {
    for (uint32_t c = 0; c < r->out; c++) {
        double *w = r->w + (size_t)c * r->depth, energy = 0;
        for (uint32_t i = 0; i < r->depth; i++)
            for (uint32_t j = 0; j < r->depth; j++)
                energy += w[i] * w[j] * h[(size_t)i * r->depth + j];
        double scale = energy > 0 ? 1 / sqrt(energy * r->out) : 0;
        for (uint32_t i = 0; i < r->depth; i++)
            w[i] *= scale;
    }
}

static int reader_init(struct reader *r, const struct channels *channels, const struct layer *l,
                       const struct moments *m, double damping, struct diag *diag) {
    size_t depth = l->depth;
    r->depth = l->depth;
    r->out = l->out;
    r->inverse = malloc(depth * depth * sizeof(double));
    r->w = malloc(l->out * depth * sizeof(double));
    r->units = malloc(depth * sizeof(*r->units));
    r->block = malloc(depth * sizeof(*r->block));
    r->factor = malloc(depth * depth * sizeof(double));
    r->row = malloc(depth * sizeof(double));
    double *h = masked_h_of(m, l->bias != GRAPH_NONE);
    int err = h && r->inverse && r->w && r->units && r->block && r->factor && r->row
                  ? 0
                  : err_origin(-ENOMEM);
    if (err == 0) {
        const float *w = layer_weights(channels->graph, l)->data;
        for (size_t i = 0; i < l->out * depth; i++)
            r->w[i] = (double)w[i];
        for (uint32_t k = 0; k < l->depth; k++)
            r->units[k] = channels_input(channels, l, k);
        scale_outputs(r, h);
        err = masked_error(linalg_invert(depth, h, damping, r->inverse, diag), diag);
    }
    free(h);
    return err;
}

static bool reads_group(const struct channels *channels, const struct layer *l, uint32_t group) {
    for (uint32_t k = 0; !l->depthwise && k < l->depth; k++) {
        uint32_t unit = channels_input(channels, l, k);
        if (unit != CHANNEL_STAYS && channels->groups[unit] == group)
            return true;
    }
    return false;
}

/* ---- one unit ---- */

static uint32_t find_block(struct reader *r, uint32_t unit) {
    uint32_t n = 0;
    for (uint32_t k = 0; k < r->depth; k++)
        if (r->units[k] == unit)
            r->block[n++] = k;
    return n;
}

/* The lower Cholesky factor of the block's part of the inverse. */
static void factor_block(struct reader *r, uint32_t n) {
    double *l = r->factor;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double sum = r->inverse[(size_t)r->block[i] * r->depth + r->block[j]];
            for (uint32_t k = 0; k < j; k++)
                sum -= l[i * n + k] * l[j * n + k];
            l[i * n + j] = i == j ? sqrt(MAX(sum, 1e-300)) : sum / l[j * n + j];
        }
    }
}

/* x := L^-1 x. */
static void forward(const double *l, uint32_t n, double *x) {
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++)
            x[i] -= l[i * n + k] * x[k];
        x[i] /= l[i * n + i];
    }
}

/* x := L'^-1 x. */
static void backward(const double *l, uint32_t n, double *x) {
    for (uint32_t i = n; i-- > 0;) {
        for (uint32_t k = i + 1; k < n; k++)
            x[i] -= l[k * n + i] * x[k];
        x[i] /= l[i * n + i];
    }
}

static void take_block(const struct reader *r, const double *from, uint32_t n, double *ret) {
    for (uint32_t i = 0; i < n; i++)
        ret[i] = from[r->block[i]];
}

static double cost_for(struct reader *r, uint32_t unit) {
    uint32_t n = find_block(r, unit);
    double cost = 0;
    factor_block(r, n);
    for (uint32_t c = 0; c < r->out && n; c++) {
        take_block(r, r->w + (size_t)c * r->depth, n, r->row);
        forward(r->factor, n, r->row);
        for (uint32_t i = 0; i < n; i++)
            cost += r->row[i] * r->row[i];
    }
    return cost;
}

/* from := from - x' J_B, x = (J_BB)^-1 from_B. `rows` are a copy of the block's rows of J. */
static void eliminate(const struct reader *r, double *from, uint32_t n, const double *rows) {
    take_block(r, from, n, r->row);
    forward(r->factor, n, r->row);
    backward(r->factor, n, r->row);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < r->depth; k++)
            from[k] -= r->row[i] * rows[(size_t)i * r->depth + k];
    for (uint32_t i = 0; i < n; i++)
        from[r->block[i]] = 0;
}

static int remove_from(struct reader *r, uint32_t unit) {
    uint32_t n = find_block(r, unit);
    if (n == 0)
        return 0;
    double *rows = malloc((size_t)n * r->depth * sizeof(*rows));
    if (!rows)
        return err_origin(-ENOMEM);
    factor_block(r, n);
    for (uint32_t i = 0; i < n; i++)
        memcpy(rows + (size_t)i * r->depth, r->inverse + (size_t)r->block[i] * r->depth,
               r->depth * sizeof(*rows));
    for (uint32_t c = 0; c < r->out; c++)
        eliminate(r, r->w + (size_t)c * r->depth, n, rows);
    for (uint32_t k = 0; k < r->depth; k++)
        eliminate(r, r->inverse + (size_t)k * r->depth, n, rows);
    free(rows);
    return 0;
}

/* ---- the order ---- */

/* The unit of the group whose loss costs the readers least; CHANNEL_STAYS when none is left. */
static uint32_t cheapest(struct greedy *g, uint32_t group) {
    uint32_t best = CHANNEL_STAYS;
    double least = INFINITY;
    for (uint32_t u = 0; u < g->channels->n_units; u++) {
        double cost = 0;
        if (g->channels->groups[u] != group || g->gone[u])
            continue;
        for (uint32_t i = 0; i < g->n_readers; i++)
            cost += cost_for(&g->readers[i], u);
        if (cost < least || best == CHANNEL_STAYS) {
            least = cost;
            best = u;
        }
    }
    return best;
}

static int order_group(struct greedy *g, uint32_t group, uint32_t *order, uint32_t *at) {
    for (uint32_t u; (u = cheapest(g, group)) != CHANNEL_STAYS;) {
        g->gone[u] = true;
        order[(*at)++] = u;
        for (uint32_t i = 0; i < g->n_readers; i++) {
            int r = remove_from(&g->readers[i], u);
            if (r)
                return r;
        }
    }
    return 0;
}

/* Each group by itself, with the layers as they were. */
static int run_group(const struct channels *channels, const struct moments *moments, double damping,
                     uint32_t group, uint32_t *order, uint32_t *at, struct diag *diag) {
    _cleanup_(greedy_deinit) struct greedy g = {.channels = channels};
    g.readers = calloc(channels->layers.n, sizeof(*g.readers));
    g.gone = calloc(channels->n_units, sizeof(*g.gone));
    int r = g.readers && g.gone ? 0 : err_origin(-ENOMEM);
    for (uint32_t i = 0; i < channels->layers.n && r == 0; i++) {
        const struct layer *l = &channels->layers.items[i];
        if (reads_group(channels, l, group))
            r = reader_init(&g.readers[g.n_readers++], channels, l, &moments[i], damping, diag);
    }
    return r ? r : order_group(&g, group, order, at);
}

int greedy_order(const struct channels *channels, const struct moments *moments, double damping,
                 uint32_t *ret_order, struct diag *diag) {
    uint32_t at = 0;
    int r = 0;
    for (uint32_t group = 0; group < channels->n_groups && r == 0; group++)
        r = run_group(channels, moments, damping, group, ret_order, &at, diag);
    return r;
}
