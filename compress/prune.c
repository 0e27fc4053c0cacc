/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weight pruning without training: which weights go, by importance, one by one or in the patterns that sparse kernels
 * like, and a least-squares refit of those that stay. Magnitude pruning by threshold: Han et al., Learning both Weights
 * and Connections for Efficient Neural Networks, NIPS 2015. Pruned weights are zeros, which is also their mask.
 */

#include "compress/prune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/moments.h"
#include "compress/pass.h"
#include "compress/passes.h"
#include "compress/refit.h"
#include "model/graph-edit.h"
#include "model/graph.h"

enum { ABSOLUTE, DEVIATION };
enum { PER_LAYER, GLOBAL };

struct options {
    struct pass_scope scope;
    double sparsity, threshold, damping;
    int unit, allocation, criterion;
    const char *pattern;
    bool reconstruct, compensate;
    uint32_t rounds, samples;
};

#define AT(member) offsetof(struct options, member)

static const char *const units[] = {"absolute", "deviation", NULL};
static const char *const allocations[] = {"layer", "global", NULL};
static const char *const criteria[] = {"magnitude", "l1", "l2", "activation", "saliency", NULL};

static const struct pass_field fields[] = {
    {.name = "sparsity",
     .kind = FIELD_NUMBER,
     .offset = AT(sparsity),
     .min = 0,
     .max = 0.9999,
     .help = "share of the weights to prune, above 0; this or threshold, neither with N:M"},
    {.name = "threshold",
     .kind = FIELD_NUMBER,
     .offset = AT(threshold),
     .min = 0,
     .max = 1e30,
     .help = "prune what is less important than this, above 0"},
    {.name = "unit",
     .kind = FIELD_CHOICE,
     .offset = AT(unit),
     .choices = units,
     .help = "what the threshold counts in: the criterion's own unit, or standard deviations of "
             "the layer's weights"},
    {.name = "allocation",
     .kind = FIELD_CHOICE,
     .offset = AT(allocation),
     .choices = allocations,
     .help = "sparsity of each layer, or of all together, where a layer keeps at least the square "
             "of the share that stays (a quarter at 0.5)"},
    {.name = "criterion",
     .kind = FIELD_CHOICE,
     .offset = AT(criterion),
     .choices = criteria,
     .help = "importance: the largest magnitude, the mean magnitude (l1) or root mean square (l2) "
             "of a block; magnitude times root mean square of the input (activation, Wanda); the "
             "squared error of the output that the other weights cannot make up for (saliency, "
             "Optimal Brain Surgeon); the last two are relative to the channel's output and need "
             "calibration data"},
    {.name = "pattern",
     .kind = FIELD_TEXT,
     .offset = AT(pattern),
     .help = "\"unstructured\" (as without it), blocks of consecutive outputs x inputs (\"4x1\", "
             "\"1x4\"; the last of a layer may be smaller), or N of M consecutive inputs that "
             "stay (\"2:4\"); blocks and N:M pass over depthwise layers"},
    {.name = "reconstruct",
     .kind = FIELD_FLAG,
     .offset = AT(reconstruct),
     .help = "refit what stays by least squares, so that the outputs change least on the "
             "calibration data"},
    {.name = "compensate",
     .kind = FIELD_FLAG,
     .offset = AT(compensate),
     .help = "then go through all layers in order, pruned or not, and refit each to compute what "
             "it did before from what it reads now"},
    {.name = "rounds",
     .kind = FIELD_COUNT,
     .offset = AT(rounds),
     .min = 1,
     .max = 100,
     .value = 4,
     .help = "steps to the sparsity; after each the rest is refitted, where asked for, and "
             "importance found anew; a threshold and N:M take one"},
    REFIT_FIELDS(struct options),
    {0},
};

static int check(const void *arg, struct diag *diag) {
    const struct options *o = arg;
    struct prune_pattern pattern;
    int r = prune_pattern_parse(o->pattern, &pattern, diag);
    if (r)
        return r;
    bool sparsity = o->sparsity > 0, threshold = o->threshold > 0;
    if (pattern.group && (sparsity || threshold))
        return diag_set(diag, COMPRESS_E_INVALID, "%s: the pattern %s says how many weights stay",
                        sparsity ? "sparsity" : "threshold", o->pattern);
    if (!pattern.group && sparsity == threshold)
        return diag_set(diag, COMPRESS_E_INVALID, "sparsity: %s, and above 0",
                        sparsity ? "give it or threshold, not both" : "give it or threshold");
    return 0;
}

/* ---- the work ---- */

struct work {
    const struct options *options;
    struct prune_pattern pattern;
    struct prune_layer *layers;
    uint32_t n;
    struct moments *moments; /* or NULL */
    struct diag *diag;
};

static void work_deinit(struct work *work) {
    for (uint32_t i = 0; work->layers && i < work->n; i++)
        prune_layer_deinit(&work->layers[i]);
    free(work->layers);
    moments_free(work->moments, work->n);
}

static bool uses_gram(const struct options *o) {
    return o->reconstruct || o->criterion == PRUNE_SALIENCY;
}

static int work_init(struct work *work, struct pass_context *context, const struct layers *layers) {
    const struct options *o = work->options;
    int r = 0;
    work->n = layers->n;
    if (uses_gram(o) || o->criterion == PRUNE_ACTIVATION)
        r = moments_collect(context, layers, o->samples, uses_gram(o) ? MOMENTS_GRAM : 0,
                            &work->moments);
    work->layers = calloc(layers->n, sizeof(*work->layers));
    if (!work->layers)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < layers->n && r == 0; i++) {
        const struct layer *l = &layers->items[i];
        r = prune_layer_init(&work->layers[i], context->graph, l,
                             work->moments ? &work->moments[i] : NULL, &work->pattern,
                             o->reconstruct && l->bias != GRAPH_NONE);
    }
    return r;
}

static double deviation(const struct prune_layer *p) {
    size_t n = (size_t)p->layer.out * p->layer.depth;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += p->w0[i];
        squares += p->w0[i] * p->w0[i];
    }
    return sqrt(MAX(squares / (double)n - sum / (double)n * (sum / (double)n), 0.0));
}

static int choose_share(struct work *work, double share) {
    const struct options *o = work->options;
    if (o->allocation == PER_LAYER)
        return prune_choose(work->layers, work->n, &work->pattern, share, NULL);
    double *list = malloc(work->n * sizeof(*list));
    if (!list)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < work->n; i++)
        list[i] = prune_score_unit(&work->layers[i], (enum prune_criterion)o->criterion);
    int r = prune_choose(work->layers, work->n, &work->pattern, share, list);
    free(list);
    return r;
}

static int choose(struct work *work, double share) {
    const struct options *o = work->options;
    if (o->sparsity > 0)
        return choose_share(work, share);
    for (uint32_t i = 0; i < work->n; i++) {
        struct prune_layer *p = &work->layers[i];
        double unit = o->unit == DEVIATION ? deviation(p) : 1;
        if (work->pattern.group)
            prune_groups(p, &work->pattern);
        else
            prune_below(p, &work->pattern, o->threshold * unit);
    }
    return 0;
}

/* Importance by norms alone stays what it was. */
static uint32_t n_rounds(const struct options *o) {
    bool changes = o->reconstruct || o->criterion == PRUNE_SALIENCY;
    return o->sparsity > 0 && changes ? o->rounds : 1;
}

/* The share of weights that stay falls by the same factor in each round. */
static int run_round(struct work *work, uint32_t round) {
    const struct options *o = work->options;
    double share = 1 - pow(1 - o->sparsity, (round + 1.0) / n_rounds(o));
    int r = 0;
    for (uint32_t i = 0; i < work->n && r == 0; i++)
        r = prune_score(&work->layers[i], &work->pattern, (enum prune_criterion)o->criterion,
                        o->damping, work->diag);
    if (r == 0)
        r = choose(work, share);
    for (uint32_t i = 0; i < work->n && r == 0 && o->reconstruct; i++)
        r = prune_refit(&work->layers[i], o->damping, work->diag);
    return r;
}

/* Into the network; then the others make up for it, against a copy of what it was. */
static int store(struct work *work, struct pass_context *context) {
    const struct options *o = work->options;
    _cleanup_(graph_freep) struct graph *original = NULL;
    int r = o->compensate ? graph_copy(context->graph, &original) : 0;
    for (uint32_t i = 0; i < work->n && r == 0; i++)
        r = prune_layer_store(&work->layers[i], context->graph);
    if (r == 0 && o->compensate)
        r = refit_network(context, original, o->samples, o->damping, NULL, NULL);
    return r;
}

static void summarize(const struct work *work, struct pass_context *context) {
    const struct options *o = work->options;
    size_t pruned = 0, total = 0;
    for (uint32_t i = 0; i < work->n; i++) {
        const struct prune_layer *p = &work->layers[i];
        size_t n = (size_t)p->layer.out * p->layer.depth;
        total += n;
        for (size_t k = 0; k < n; k++)
            pruned += !p->m.kept[k];
    }
    snprintf(context->summary, sizeof(context->summary),
             "pruned %.1f %% of %zu weights in %u layers (%s, by %s)%s",
             100 * (double)pruned / (double)total, total, work->n,
             o->pattern ? o->pattern : "unstructured", criteria[o->criterion],
             o->compensate    ? ", and refitted all layers"
             : o->reconstruct ? ", and refitted the others"
                              : "");
}

static bool can_block(const struct graph *graph, const struct layer *layer) {
    return layer_is_float(graph, layer) && !layer->depthwise;
}

static int run(struct pass_context *context, const void *arg) {
    _cleanup_(work_deinit) struct work work = {.options = arg, .diag = context->diag};
    struct layers layers;
    int r = prune_pattern_parse(work.options->pattern, &work.pattern, context->diag);
    if (r)
        return r;
    bool single = work.pattern.rows == 1 && work.pattern.cols == 1 && !work.pattern.group;
    r = pass_layers(context, &work.options->scope, single ? layer_is_float : can_block,
                    single ? "a layer with float weights"
                           : "a convolution or a dense layer with float weights",
                    &layers);
    if (r == 0)
        r = work_init(&work, context, &layers);
    for (uint32_t i = 0; i < n_rounds(work.options) && r == 0; i++)
        r = run_round(&work, i);
    if (r == 0)
        r = store(&work, context);
    if (r == 0)
        summarize(&work, context);
    return r;
}

const struct pass pass_prune = {
    .name = "prune",
    .summary = "set the least important weights to zero",
    .fields = fields,
    .options_size = sizeof(struct options),
    .check = check,
    .run = run,
};
