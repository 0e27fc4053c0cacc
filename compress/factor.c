/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decomposition from the layers in scope to the summary.
 */

#include "compress/factor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/linalg.h"
#include "compress/moments.h"
#include "compress/vbmf.h"

const char *const factor_fits[] = {"weights", "data", NULL};

const struct pass_field factor_fields[] = {
    RANK_FIELDS(struct factor_options),
    FACTOR_FIT_FIELDS(struct factor_options),
    {0},
};

int factor_check(const void *options, struct diag *diag) {
    return rank_check(&((const struct factor_options *)options)->rank, diag);
}

/* ---- one layer ---- */

static void factor_deinit(struct factor *f) {
    free(f->w);
    free(f->mean);
    free(f->covariance);
    for (unsigned i = 0; i < FACTOR_MAX_MODES; i++) {
        free(f->modes[i].s);
        free(f->modes[i].vectors);
    }
    for (unsigned i = 0; i < FACTOR_MAX_PARTS; i++)
        free(f->parts[i].values);
}

/* Directions that few samples happen to miss are not free: the covariance is drawn towards a multiple of the identity, by
 * the oracle approximating shrinkage estimator (Chen, Wiesel, Eldar, Hero 2010). */
static void shrink(double *covariance, size_t n, double rows) {
    double trace = 0, squares = 0, p = (double)n;
    for (size_t i = 0; i < n * n; i++)
        squares += covariance[i] * covariance[i];
    for (size_t i = 0; i < n; i++)
        trace += covariance[i * n + i];
    double above = (1 - 2 / p) * squares + trace * trace;
    double below = (rows + 1 - 2 / p) * (squares - trace * trace / p);
    double share = above < below ? above / below : 1;
    double diagonal = trace > 0 ? share * trace / p : 1; /* inputs that never change: by weights */
    for (size_t i = 0; i < n * n; i++)
        covariance[i] *= 1 - share;
    for (size_t i = 0; i < n; i++)
        covariance[i * n + i] += diagonal;
}

static int read_moments(struct factor *f, const struct moments *m) {
    size_t k = f->depth;
    f->mean = malloc(k * sizeof(*f->mean));
    f->covariance = malloc(k * k * sizeof(*f->covariance));
    if (!f->mean || !f->covariance)
        return err_origin(-ENOMEM);
    double rows = (double)m->rows;
    for (size_t i = 0; i < k; i++)
        f->mean[i] = m->sum[i] / rows;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            f->covariance[i * k + j] = m->gram[i * k + j] / rows - f->mean[i] * f->mean[j];
    shrink(f->covariance, k, rows);
    return 0;
}

static int factor_init(struct factor *f, struct pass_context *context, const struct layer *layer,
                       const struct moments *m) {
    const struct tensor *t = layer_weights(context->graph, layer);
    *f = (struct factor){.context = context, .layer = *layer, .kh = 1, .kw = 1};
    f->out = layer->out;
    f->depth = f->in = layer->depth;
    if (t->n_dims == 4) {
        f->conv = layer_op(context->graph, layer)->conv;
        f->kh = (uint32_t)t->dims[1];
        f->kw = (uint32_t)t->dims[2];
        f->in = (uint32_t)t->dims[3];
    }
    size_t n = tensor_elements(t);
    f->w = malloc(n * sizeof(*f->w));
    if (!f->w)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        f->w[i] = (double)((const float *)t->data)[i];
    return m ? read_moments(f, m) : 0;
}

/* ---- ranks ---- */

/* The rank of mode `to` that is in proportion to that of the other one. */
static void set_proportion(struct factor *f, unsigned to) {
    const struct factor_mode *from = &f->modes[1 - to];
    double rank = round((double)from->rank * f->modes[to].full / from->full);
    f->modes[to].rank = (uint32_t)MIN(MAX(rank, 1.0), (double)f->modes[to].full);
}

static int too_large(const struct factor *f, const char *name, uint32_t rank, uint32_t full) {
    return diag_set(f->context->diag, COMPRESS_E_INVALID,
                    "%s: %" PRIu32 " is more than %s can have, which is %" PRIu32, name, rank,
                    f->layer.name, full);
}

static int set_given(struct factor *f, const struct factor_options *options,
                     const struct factor_method *method) {
    if (options->rank.rank > f->modes[0].full)
        return too_large(f, method->rank_name, options->rank.rank, f->modes[0].full);
    f->modes[0].rank = options->rank.rank;
    if (f->n_modes == 1)
        return 0;
    if (options->rank_out > f->modes[1].full)
        return too_large(f, "rank_out", options->rank_out, f->modes[1].full);
    f->modes[1].rank = options->rank_out;
    if (!options->rank_out)
        set_proportion(f, 1);
    return 0;
}

static void set_lead(struct factor *f, unsigned lead, uint32_t rank) {
    f->modes[lead].rank = rank;
    if (f->n_modes > 1)
        set_proportion(f, 1 - lead);
}

/* The largest ranks with no more than that many MACs, in proportion, in steps of the larger one; 0 where there are
 * none. */
static void set_by_macs(struct factor *f, const struct factor_method *method, double most) {
    unsigned lead = f->n_modes > 1 && f->modes[1].full > f->modes[0].full;
    uint32_t low = 0, high = f->modes[lead].full;
    while (low < high) {
        uint32_t rank = high - (high - low) / 2;
        set_lead(f, lead, rank);
        method->shape(f);
        if ((double)factor_macs(f) <= most)
            low = rank;
        else
            high = rank - 1;
    }
    set_lead(f, lead, low);
    if (!low)
        f->modes[0].rank = 0;
}

/* Ranks; rank 0 in the first mode: there is none that will do. */
static int choose_ranks(struct factor *f, const struct factor_options *options,
                        const struct factor_method *method) {
    if (options->rank.rank)
        return set_given(f, options, method);
    if (options->rank.macs > 0) {
        set_by_macs(f, method, options->rank.macs * (double)f->layer.macs);
        return 0;
    }
    for (unsigned i = 0; i < f->n_modes; i++) {
        struct factor_mode *mode = &f->modes[i];
        mode->rank = options->rank.energy > 0
                         ? rank_of_energy(mode->s, mode->full, options->rank.energy)
                         : vbmf_rank(mode->s, mode->rows, mode->cols, NULL);
        if (!mode->rank)
            f->modes[0].rank = 0;
    }
    return 0;
}

/* ---- values ---- */

static int allocate_parts(struct factor *f) {
    for (unsigned i = 0; i < f->n_parts; i++)
        if (!(f->parts[i].values = calloc(f->parts[i].n, sizeof(double))))
            return err_origin(-ENOMEM);
    return 0;
}

/* What the bias has to take up: the outputs' means stay. */
static int finish(struct factor *f, const struct factor_method *method, double *ret_error) {
    double *w = malloc((size_t)f->out * f->depth * sizeof(*w));
    double *bias = calloc(f->out, sizeof(*bias));
    int r = w && bias ? method->expand(f, w) : err_origin(-ENOMEM);
    if (r == 0)
        r = factor_error(f, w, ret_error);
    for (size_t o = 0; r == 0 && f->mean && o < f->out; o++)
        for (size_t k = 0; k < f->depth; k++)
            bias[o] += (f->w[o * f->depth + k] - w[o * f->depth + k]) * f->mean[k];
    if (r == 0)
        r = factor_apply(f, f->mean ? bias : NULL);
    free(w);
    free(bias);
    return r;
}

/* Decomposes the layer. ret_macs: what it costs then, as much as before where it is left as it is. */
static int decompose(struct factor *f, const struct factor_options *options,
                     const struct factor_method *method, uint64_t *ret_macs, double *ret_error) {
    bool data = f->covariance && options->rank.ranks < 0;
    int r = method->analyse(f, data);
    if (r == 0)
        r = choose_ranks(f, options, method);
    if (r)
        return r;
    *ret_macs = f->layer.macs;
    *ret_error = 0;
    if (!f->modes[0].rank)
        return 0;
    method->shape(f);
    uint64_t macs = factor_macs(f);
    if (macs >= f->layer.macs)
        return 0;
    r = allocate_parts(f);
    if (r == 0)
        r = method->solve(f);
    if (r == 0 && f->covariance && method->adjoint)
        r = factor_fit(f, method);
    if (r == 0)
        r = finish(f, method, ret_error);
    if (r == 0)
        *ret_macs = macs;
    return r;
}

/* ---- the pass ---- */

struct tally {
    uint32_t done, left;
    uint64_t macs_before, macs_after; /* of the layers in scope */
    double error;                     /* the largest share of a layer's squares that was lost */
    char done_names[112], left_names[48];
};

#define MORE " …"

/* A name more in a list; one that does not fit is not begun, and the list ends. */
static void append(char *list, size_t size, const char *name) {
    size_t used = strlen(list), more = sizeof(MORE) - 1;
    if (used >= more && strcmp(list + used - more, MORE) == 0)
        return;
    if (used + strlen(name) + 2 + more < size)
        snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
    else if (used + more < size)
        memcpy(list + used, MORE, sizeof(MORE));
}

static void count(struct tally *tally, const struct factor *f, const char *rank_name, uint64_t macs,
                  double error) {
    char name[GRAPH_MAX_NAME + 64], rank_out[16] = "";
    tally->macs_before += f->layer.macs;
    tally->macs_after += macs;
    tally->error = MAX(tally->error, error);
    if (macs == f->layer.macs) {
        tally->left++;
        append(tally->left_names, sizeof(tally->left_names), f->layer.name);
        return;
    }
    tally->done++;
    if (f->n_modes > 1)
        snprintf(rank_out, sizeof(rank_out), "/%" PRIu32, f->modes[1].rank);
    snprintf(name, sizeof(name), "%s %s %" PRIu32 "%s", f->layer.name, rank_name, f->modes[0].rank,
             rank_out);
    append(tally->done_names, sizeof(tally->done_names), name);
}

static void summarize(struct pass_context *context, const struct tally *t, bool data) {
    char *summary = context->summary;
    if (t->done)
        snprintf(summary, PASS_MAX_SUMMARY, "%s: MACs to %.1f %%, error of %s at most %.2g %%%s",
                 t->done_names, 100 * (double)t->macs_after / (double)t->macs_before,
                 data ? "outputs" : "weights", 100 * sqrt(t->error), t->left ? "; " : "");
    size_t used = strlen(summary);
    if (t->left)
        snprintf(summary + used, PASS_MAX_SUMMARY - used,
                 "left as they are, as that saves no MACs or keeps nothing: %s", t->left_names);
}

static int decompose_all(struct pass_context *context, const struct factor_options *options,
                         const struct factor_method *method, const struct layers *layers,
                         const struct moments *moments) {
    struct tally tally = {0};
    uint32_t shift = 0; /* operators that came before the next layer */
    int r = 0;
    for (uint32_t i = 0; i < layers->n && r == 0; i++) {
        _cleanup_(factor_deinit) struct factor f;
        uint64_t macs;
        double error;
        struct layer layer = layers->items[i];
        layer.op += shift;
        r = factor_init(&f, context, &layer, moments ? &moments[i] : NULL);
        if (r == 0)
            r = decompose(&f, options, method, &macs, &error);
        if (r)
            break;
        count(&tally, &f, method->rank_name, macs, error);
        shift += macs < f.layer.macs ? f.n_parts - 1 : 0;
    }
    if (r == 0)
        summarize(context, &tally, moments);
    return r;
}

int factor_run(struct pass_context *context, const struct factor_options *options,
               const struct factor_method *method) {
    struct layers layers = {0};
    struct moments *moments = NULL;
    int r = linalg_ready(context->diag);
    if (r == 0)
        r = pass_layers(context, &options->scope, method->can, method->what, &layers);
    if (r == 0 && options->fit == FACTOR_DATA)
        r = moments_collect(context, &layers, options->samples, MOMENTS_GRAM, &moments);
    if (r == 0)
        r = decompose_all(context, options, method, &layers, moments);
    moments_free(moments, layers.n);
    return r;
}

/* ---- for methods ---- */

bool factor_can_window(const struct graph *graph, const struct layer *layer) {
    const struct tensor *w = layer_weights(graph, layer);
    return layer_op(graph, layer)->kind == OP_CONV_2D && layer_is_float(graph, layer) &&
           w->dims[1] * w->dims[2] > 1 && w->dims[3] == layer_input(graph, layer)->dims[3];
}

void factor_set_conv(struct factor *f, unsigned i, enum op_kind kind, uint32_t d0, uint32_t d1,
                     uint32_t d2, uint32_t d3) {
    f->parts[i].kind = kind;
    f->parts[i].n_dims = 4;
    f->parts[i].n = (size_t)d0 * d1 * d2 * d3;
    f->parts[i].dims[0] = (int32_t)d0;
    f->parts[i].dims[1] = (int32_t)d1;
    f->parts[i].dims[2] = (int32_t)d2;
    f->parts[i].dims[3] = (int32_t)d3;
    f->parts[i].conv =
        (struct op_conv){.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1};
    f->n_parts = MAX(f->n_parts, i + 1);
}

void factor_set_dense(struct factor *f, unsigned i, uint32_t out, uint32_t depth) {
    factor_set_conv(f, i, OP_FULLY_CONNECTED, out, depth, 1, 1);
    f->parts[i].n_dims = 2;
}

/* Where component k stands in the two parts: outputs of the first, which are its rows unless it is depthwise, and
 * inputs of the second. */
void factor_balance(struct factor *f, uint32_t n_components) {
    struct factor_part *a = &f->parts[0], *b = &f->parts[1];
    bool last = a->kind == OP_DEPTHWISE_CONV_2D;
    size_t n = n_components, in_a = a->n / n, in_b = b->n / n;
    size_t next = last ? n : 1;
    for (size_t k = 0; k < n; k++) {
        double *first = a->values + (last ? k : k * in_a), sum_a = 0, sum_b = 0;
        for (size_t i = 0; i < in_a; i++)
            sum_a += first[i * next] * first[i * next];
        for (size_t i = 0; i < in_b; i++)
            sum_b += b->values[i * n + k] * b->values[i * n + k];
        if (!(sum_a > 0 && sum_b > 0))
            continue;
        double scale = sqrt(sqrt(sum_b / sum_a));
        for (size_t i = 0; i < in_a; i++)
            first[i * next] *= scale;
        for (size_t i = 0; i < in_b; i++)
            b->values[i * n + k] /= scale;
    }
}
