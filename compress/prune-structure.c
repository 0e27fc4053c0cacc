/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured pruning: whole filters, channels and neurons go, and the network becomes smaller for every kernel. By the
 * norms of filters (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017), the mean attention of activation maps
 * (Zagoruyko and Komodakis, Paying More Attention to Attention, ICLR 2017: the mean of squares), or what the layers that
 * read them lose (He, Zhang, Sun: Channel Pruning, ICCV 2017; ThiNet, ICCV 2017). The layers keep their names.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "compress/channels.h"
#include "compress/moments.h"
#include "compress/pass.h"
#include "compress/passes.h"
#include "compress/prune-greedy.h"
#include "compress/refit.h"
#include "model/graph-edit.h"
#include "model/graph.h"

#define FRACTION_STEPS 1000 /* in which the fraction for a number of MACs is looked for */

enum { BY_L1, BY_L2, BY_ATTENTION, BY_RECONSTRUCTION };

struct options {
    struct pass_scope scope;
    double fraction, macs, damping;
    int criterion;
    uint32_t minimum, multiple, samples;
    bool reconstruct;
};

#define AT(member) offsetof(struct options, member)

static const char *const criteria[] = {"l1", "l2", "attention", "reconstruction", NULL};

static const struct pass_field fields[] = {
    {.name = "fraction",
     .kind = FIELD_NUMBER,
     .offset = AT(fraction),
     .min = 0,
     .max = 0.999,
     .help = "share of the channels of each group to remove, above 0; this or macs"},
    {.name = "macs",
     .kind = FIELD_NUMBER,
     .offset = AT(macs),
     .min = 0,
     .max = 0.999,
     .help = "share of the network's multiplications that may stay, above 0: the smallest "
             "fraction, the same for all groups, that reaches it"},
    {.name = "criterion",
     .kind = FIELD_CHOICE,
     .offset = AT(criterion),
     .choices = criteria,
     .help = "which channels go: mean magnitude (l1) or root mean square (l2) of the filter, mean "
             "square of the activation map (attention), or what the layers that read the channel "
             "cannot make up for (reconstruction); the last two need calibration data; channels "
             "that must go together are judged by the sum, relative to each layer's mean"},
    {.name = "minimum",
     .kind = FIELD_COUNT,
     .offset = AT(minimum),
     .min = 1,
     .max = 65536,
     .value = 1,
     .help = "channels that stay at least"},
    {.name = "multiple",
     .kind = FIELD_COUNT,
     .offset = AT(multiple),
     .min = 1,
     .max = 256,
     .value = 1,
     .help = "round counts of channels that stay up to a multiple of this, as kernels like 4 or 8"},
    {.name = "reconstruct",
     .kind = FIELD_FLAG,
     .offset = AT(reconstruct),
     .help = "then refit all layers in order by least squares to what they computed before, from "
             "what they read now; needs calibration data"},
    REFIT_FIELDS(struct options),
    {0},
};

static int check(const void *arg, struct diag *diag) {
    const struct options *o = arg;
    if ((o->fraction > 0) == (o->macs > 0))
        return diag_set(diag, COMPRESS_E_INVALID, "fraction: give it or macs%s, above 0",
                        o->fraction > 0 ? ", not both" : "");
    return 0;
}

/* ---- the order in which units go ---- */

struct work {
    const struct options *options;
    struct channels channels;
    uint32_t *order;  /* [n_units], one group after the other */
    uint32_t *counts; /* [n_groups] */
    double *scores;   /* [n_units] */
    bool *removed;    /* [n_units] */
    uint32_t **kept;  /* [layers]: channels of each that stayed */
    struct moments *moments;
    uint32_t n_layers;
};

static void work_deinit(struct work *w) {
    for (uint32_t i = 0; w->kept && i < w->n_layers; i++)
        free(w->kept[i]);
    free(w->kept);
    free(w->order);
    free(w->counts);
    free(w->scores);
    free(w->removed);
    moments_free(w->moments, w->n_layers);
    channels_deinit(&w->channels);
}

static double score_channel(const struct work *w, uint32_t l, uint32_t c) {
    const struct layer *layer = &w->channels.layers.items[l];
    const float *values = layer_weights(w->channels.graph, layer)->data;
    double sum = 0, squares = 0;
    if (w->options->criterion == BY_ATTENTION)
        return w->moments[l].out_sum_square[c] / (double)w->moments[l].out_rows;
    for (uint32_t k = 0; k < layer->depth; k++) {
        double v = (double)values[layer_index(layer, c, k)];
        sum += fabs(v);
        squares += v * v;
    }
    return w->options->criterion == BY_L1 ? sum / layer->depth : sqrt(squares / layer->depth);
}

/* Added up over the layers whose channels make a unit. */
static void score_layer(struct work *w, uint32_t l) {
    const struct layer *layer = &w->channels.layers.items[l];
    double mean = 0;
    if (layer->depthwise || !layer_is_float(w->channels.graph, layer))
        return;
    for (uint32_t c = 0; c < layer->out; c++)
        mean += score_channel(w, l, c) / layer->out;
    for (uint32_t c = 0; c < layer->out; c++) {
        uint32_t unit = channels_output(&w->channels, layer, c);
        if (unit != CHANNEL_STAYS)
            w->scores[unit] += score_channel(w, l, c) / (mean > 0 ? mean : 1);
    }
}

struct candidate {
    double score;
    uint32_t group, unit;
};

static int by_group_and_score(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static int order_by_scores(struct work *w) {
    const struct channels *c = &w->channels;
    struct candidate *list = malloc(c->n_units * sizeof(*list));
    if (!list)
        return err_origin(-ENOMEM);
    for (uint32_t l = 0; l < c->layers.n; l++)
        score_layer(w, l);
    for (uint32_t u = 0; u < c->n_units; u++)
        list[u] = (struct candidate){w->scores[u], c->groups[u], u};
    qsort(list, c->n_units, sizeof(*list), by_group_and_score);
    for (uint32_t u = 0; u < c->n_units; u++)
        w->order[u] = list[u].unit;
    free(list);
    return 0;
}

static int find_order(struct work *w, struct pass_context *context) {
    const struct options *o = w->options;
    int r = 0;
    if (o->criterion == BY_ATTENTION || o->criterion == BY_RECONSTRUCTION)
        r = moments_collect(context, &w->channels.layers, o->samples,
                            o->criterion == BY_ATTENTION ? MOMENTS_OUTPUT : MOMENTS_GRAM,
                            &w->moments);
    if (r)
        return r;
    if (o->criterion == BY_RECONSTRUCTION)
        return greedy_order(&w->channels, w->moments, o->damping, w->order, context->diag);
    return order_by_scores(w);
}

/* ---- how many go ---- */

static uint32_t n_kept(const struct options *o, uint32_t n, double fraction) {
    uint32_t kept = (uint32_t)ceil(n * (1 - fraction) - 1e-9);
    kept = (kept + o->multiple - 1) / o->multiple * o->multiple;
    return MIN(MAX(kept, o->minimum), n);
}

static void choose(struct work *w, double fraction) {
    uint32_t first = 0;
    for (uint32_t g = 0; g < w->channels.n_groups; first += w->counts[g], g++) {
        uint32_t gone = w->counts[g] - n_kept(w->options, w->counts[g], fraction);
        for (uint32_t i = 0; i < w->counts[g]; i++)
            w->removed[w->order[first + i]] = i < gone;
    }
}

static int choose_for_macs(struct work *w, struct diag *diag) {
    double target = w->options->macs * (double)channels_macs(&w->channels, w->removed);
    int low = 0, high = FRACTION_STEPS; /* too few are gone at low */
    choose(w, 1);
    if ((double)channels_macs(&w->channels, w->removed) > target)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "macs: %g of them cannot be reached: %llu stay with the fewest channels",
                        w->options->macs,
                        (unsigned long long)channels_macs(&w->channels, w->removed));
    while (high - low > 1) {
        int middle = (low + high) / 2;
        choose(w, (double)middle / FRACTION_STEPS);
        if ((double)channels_macs(&w->channels, w->removed) > target)
            low = middle;
        else
            high = middle;
    }
    choose(w, (double)high / FRACTION_STEPS);
    return 0;
}

/* ---- the network ---- */

/* For the refit: which channels each layer keeps, noted before they are numbered anew. */
static int note_kept(struct work *w) {
    w->kept = calloc(w->n_layers, sizeof(*w->kept));
    for (uint32_t l = 0; w->kept && l < w->n_layers; l++) {
        const struct layer *layer = &w->channels.layers.items[l];
        uint32_t n = 0;
        w->kept[l] = malloc(layer->out * sizeof(**w->kept));
        if (!w->kept[l])
            return err_origin(-ENOMEM);
        for (uint32_t c = 0; c < layer->out; c++) {
            uint32_t unit = channels_output(&w->channels, layer, c);
            if (unit == CHANNEL_STAYS || !w->removed[unit])
                w->kept[l][n++] = c;
        }
    }
    return w->kept ? 0 : err_origin(-ENOMEM);
}

static const uint32_t *kept_of(void *arg, const char *name) {
    const struct work *w = arg;
    const struct layer *l = layers_get(&w->channels.layers, name);
    return l ? w->kept[l - w->channels.layers.items] : NULL;
}

static int remove_units(struct work *w, struct pass_context *context) {
    const struct options *o = w->options;
    _cleanup_(graph_freep) struct graph *original = NULL;
    int r = o->reconstruct ? graph_copy(context->graph, &original) : 0;
    if (r == 0)
        r = note_kept(w);
    if (r == 0)
        r = channels_remove(&w->channels, w->removed);
    if (r == 0 && o->reconstruct)
        r = refit_network(context, original, o->samples, o->damping, kept_of, w);
    return r;
}

static int work_init(struct work *w, const struct layers *scope, struct pass_context *context) {
    int r = channels_find(context->graph, scope, &w->channels);
    if (r)
        return r;
    const struct channels *c = &w->channels;
    w->n_layers = c->layers.n;
    if (c->n_units == 0)
        return diag_set(context->diag, COMPRESS_E_INVALID,
                        "layers: none of them has channels that can go");
    w->order = calloc(c->n_units, sizeof(*w->order));
    w->counts = calloc(c->n_groups, sizeof(*w->counts));
    w->scores = calloc(c->n_units, sizeof(*w->scores));
    w->removed = calloc(c->n_units, sizeof(*w->removed));
    if (!w->order || !w->counts || !w->scores || !w->removed)
        return err_origin(-ENOMEM);
    for (uint32_t u = 0; u < c->n_units; u++)
        w->counts[c->groups[u]]++;
    return 0;
}

static void summarize(const struct work *w, uint64_t before, uint64_t after,
                      struct pass_context *context) {
    uint32_t gone = 0;
    for (uint32_t u = 0; u < w->channels.n_units; u++)
        gone += w->removed[u];
    snprintf(
        context->summary, sizeof(context->summary),
        "removed %u of %u channels in %u groups (by %s)%s: %.1f %% of the multiplications stay",
        gone, w->channels.n_units, w->channels.n_groups, criteria[w->options->criterion],
        w->options->reconstruct ? " and refitted all layers" : "",
        before ? 100 * (double)after / (double)before : 100);
}

static bool can_cut(const struct graph *graph, const struct layer *layer) {
    return layer_is_float(graph, layer) && !layer->depthwise;
}

static int run(struct pass_context *context, const void *arg) {
    _cleanup_(work_deinit) struct work w = {.options = arg};
    struct layers scope;
    uint64_t before = 0, after = 0;
    int r = pass_layers(context, &w.options->scope, can_cut,
                        "a convolution or a dense layer with float weights", &scope);
    if (r == 0)
        r = work_init(&w, &scope, context);
    if (r == 0)
        r = find_order(&w, context);
    if (r)
        return r;
    before = channels_macs(&w.channels, w.removed);
    if (w.options->fraction > 0)
        choose(&w, w.options->fraction);
    else
        r = choose_for_macs(&w, context->diag);
    after = channels_macs(&w.channels, w.removed);
    if (r == 0)
        r = remove_units(&w, context);
    if (r == 0)
        summarize(&w, before, after, context);
    return r;
}

const struct pass pass_prune_structure = {
    .name = "prune-structure",
    .summary = "remove filters, channels and neurons, so that the network is smaller",
    .fields = fields,
    .options_size = sizeof(struct options),
    .check = check,
    .run = run,
};
