/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl eval: a network's figures on x.npy and y.npy.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/error.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/eval.h"
#include "client/edgectl/source.h"
#include "client/edgectl/sweep.h"
#include "compress/compress.h"
#include "compress/recipe.h"
#include "model/graph.h"
#include "model/netfile.h"

static void eval_deinit(struct eval *e) {
    source_free(e->source);
    dataset_deinit(&e->data);
    if (e->crossval)
        crossval_deinit(e->crossval);
    else
        evaluation_deinit(&e->result);
    free(e->crossval);
}

static int open_data(struct eval *e, struct diag *diag) {
    const struct source *s = e->source;
    if (s->n_inputs != 1)
        return diag_set(diag, COMPRESS_E_INVALID,
                        "the network has %" PRIu32 " inputs; eval takes networks with one",
                        s->n_inputs);
    int r = dataset_open(e->data_path, &e->data, diag);
    if (r == 0)
        r = evaluate_check(&s->inputs[0], &s->outputs[0], &e->data, &e->options, diag);
    return r;
}

static int run(struct eval *e, struct diag *diag) {
    const struct source *s = e->source;
    size_t size;
    void *outputs = size_mul(e->data.n, s->outputs[0].size, &size) ? malloc(size) : NULL;
    if (!outputs)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory for the outputs");
    uint64_t start = clock_now_ns();
    int r = sweep_run(e->source, &e->data, outputs, diag);
    e->seconds = (double)(clock_now_ns() - start) / 1e9;
    if (r == 0)
        r = evaluate_outputs(&s->inputs[0], &s->outputs[0], outputs, &e->data, &e->options,
                             &e->result, diag);
    free(outputs);
    return r;
}

/* The recipe's result instead of the network as it is, on samples that it was not calibrated with. */
static int run_folds(struct eval *e, const struct ctl *ctl, const char *path, struct diag *diag) {
    _cleanup_(graph_freep) struct graph *graph = NULL;
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    int r = recipe_read(e->recipe_path, &recipe, diag);
    if (r == 0)
        r = netfile_read(path, &graph, NULL, diag);
    if (r)
        return r;
    e->crossval_options = (struct crossval_options){
        .folds = e->folds, .seed = e->seed, .tier = ctl->tier, .evaluate = e->options};
    struct crossval *c = calloc(1, sizeof(*c));
    uint64_t start = clock_now_ns();
    r = c ? crossval_recipe(graph, recipe, &e->data, &e->crossval_options, c, diag)
          : diag_set(diag, err_origin(-ENOMEM), "out of memory");
    e->seconds = (double)(clock_now_ns() - start) / 1e9;
    if (r) {
        free(c);
        return r;
    }
    e->crossval = c;
    e->result = c->pooled;
    return 0;
}

static int eval(struct ctl *ctl, struct eval *e, const char *name, bool local) {
    struct diag diag = {0};
    int r = source_open(ctl, name, local, &e->source, &diag);
    if (r == 0)
        r = open_data(e, &diag);
    if (r == 0)
        r = e->recipe_path ? run_folds(e, ctl, name, &diag) : run(e, &diag);
    if (r == 0 && e->source->image && !e->recipe_path)
        r = eval_measure(e, name, &diag);
    if (r == -ENOMEM)
        return ctl_fail(ctl, "out of memory");
    return r ? ctl_fail_diag(ctl, &diag) : eval_print(ctl, e);
}

int verb_eval(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(eval_deinit) struct eval e = {.folds = 5, .seed = 1};
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const char *metric = "top1";
    bool local = false;
    const struct args_option options[] = {
        {"data", 'd', ARGS_STRING, &e.data_path, 0, 0, "DIR", "folder with x.npy and y.npy"},
        {"metric", 'm', ARGS_STRING, &metric, 0, 0, "NAME", "top1 (default), auc or mse"},
        {"top-k", 0, ARGS_COUNT, &e.options.top_k, 1, SCORE_MAX_CLASSES, "K",
         "top1: also how often the class is among the K highest"},
        {"recipe", 'r', ARGS_STRING, &e.recipe_path, 0, 0, "FILE.json",
         "evaluate what the recipe makes of the file, calibrated with the samples of the other "
         "folds"},
        {"folds", 0, ARGS_COUNT, &e.folds, 2, CROSSVAL_MAX_FOLDS, "K",
         "with --recipe: how many (5)"},
        {"seed", 0, ARGS_COUNT, &e.seed, 0, UINT32_MAX, "N",
         "with --recipe: decides which sample is in which fold (1)"},
        {"local", 0, ARGS_FLAG, &local, 0, 0, NULL,
         "NAME is a file; run it here, without a daemon"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "NAME|FILE.edge --data DIR",
        .summary =
            "Measures a network on a data set. The first axis of x.npy is the samples; values in "
            "the\n"
            "input's own datatype are taken as they are, others as real values. y.npy holds the\n"
            "class of each sample (auc: 0 or not 0; mse: the values the output should have, "
            "without\n"
            "y.npy the input itself). A file is run in this process, and its size, latency and\n"
            "energy are measured too.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (!e.data_path)
        return ctl_usage("eval", "--data DIR is missing");
    if (!metric_parse(metric, &e.options.metric))
        return ctl_usage("eval", "--metric: '%s' is none of top1, auc, mse", metric);
    if (e.recipe_path && !local && !ctl_is_file(words.items[0]))
        return ctl_usage("eval", "--recipe takes a file, not a network of the daemon");
    return eval(ctl, &e, words.items[0], local);
}
