/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl compress: a network becomes a smaller one by a recipe. Nothing is written where anything fails.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "client/edgectl/args.h"
#include "client/edgectl/compress.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/naming.h"
#include "compress/dataset.h"
#include "compress/evaluate.h"
#include "compress/history.h"
#include "compress/pass.h"
#include "compress/recipe.h"
#include "compress/report-html.h"
#include "compress/report.h"
#include "compress/search.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/netfile.h"

#define COMPRESS_MAX_PAGE ((size_t)64 << 20)

struct compress {
    struct ctl *ctl;
    const char *input, *output, *name, *recipe_path, *page;
    const char *calibrate, *eval, *test; /* folders */
    enum metric metric;
    struct compress_budget budget;
    struct recipe *recipe;
    struct graph *graph;
    struct dataset calibration_data, eval_data, test_data;
    struct report *report;
    size_t from_bytes;
    struct diag diag;
};

static void compress_deinit(struct compress *c) {
    report_free(c->report);
    recipe_free(c->recipe);
    graph_free(c->graph);
    dataset_deinit(&c->calibration_data);
    dataset_deinit(&c->eval_data);
    dataset_deinit(&c->test_data);
}

/* The network is called as it was; one that had no name, as the file is. */
static int keep_name(struct compress *c) {
    const char *name = c->name ? c->name : *c->graph->name ? c->graph->name : NULL;
    return naming_set_name(c->graph, name, c->output, &c->diag);
}

/* `option` names the folder in errors; one that is not given stays empty. */
static int open_folder(const char *option, const char *path, struct dataset *data,
                       struct diag *diag) {
    int r = path ? dataset_open(path, data, diag) : 0;
    return r > 0 ? diag_prefix(diag, r, "--%s", option) : r;
}

static int open_data(struct compress *c) {
    int r = open_folder("calibrate", c->calibrate, &c->calibration_data, &c->diag);
    if (r == 0)
        r = open_folder("eval", c->eval, &c->eval_data, &c->diag);
    if (r == 0)
        r = open_folder("test", c->test, &c->test_data, &c->diag);
    return r;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int begin_report(struct compress *c) {
    const struct report_options options = {
        .input = base_name(c->input),
        .input_bytes = c->from_bytes,
        .metric = c->metric,
        .tier = c->ctl->tier,
        .calibration = c->calibrate ? &c->calibration_data : NULL,
        .eval = c->eval ? &c->eval_data : NULL,
        .test = c->test ? &c->test_data : NULL,
        .costs = c->ctl->json || c->page,
    };
    return report_new(&options, c->graph, &c->report, &c->diag);
}

static int read_inputs(struct compress *c) {
    int r = 0;
    if (c->recipe_path)
        r = recipe_read(c->recipe_path, &c->recipe, &c->diag);
    if (!r)
        r = netfile_read(c->input, &c->graph, &c->from_bytes, &c->diag);
    if (!r)
        r = keep_name(c);
    if (!r)
        r = open_data(c);
    return r ? r : begin_report(c);
}

static int each_step(void *arg, size_t step, const struct pass_context *context) {
    struct compress *c = arg;
    int r = report_step(c->report, step, context);
    if (!r && !c->ctl->json)
        compress_print_step(report_json(c->report), (int)step);
    return r;
}

static int run(struct compress *c) {
    const struct dataset *calibration = c->calibrate ? &c->calibration_data : NULL;
    int r = 0;
    if (!c->recipe)
        r = compress_search(c->ctl, &c->budget, c->graph, base_name(c->input), calibration,
                            &c->eval_data, c->report, &c->recipe, &c->diag);
    if (r)
        return r;
    report_begin(c->report, c->recipe);
    /* What became of the network stays in its file, and counts in every step's bytes. */
    r = history_set(c->graph, c->recipe, base_name(c->input), &c->diag);
    if (r)
        return r;
    r = recipe_run(c->recipe, &c->graph, calibration, c->ctl->tier, each_step, c, &c->diag);
    if (r > 0 && c->recipe_path)
        diag_prefix(&c->diag, r, "%s", c->recipe_path);
    return r;
}

/* Pages come first: a network is not written where they cannot be. */
static int write_files(struct compress *c, const struct buffer *file) {
    _cleanup_(buffer_deinit) struct buffer page;
    buffer_init(&page, COMPRESS_MAX_PAGE);
    int r = c->page ? report_html(report_json(c->report), &page) : 0;
    if (!r && c->page)
        r = file_write_atomic(c->page, page.data, page.len, &c->diag);
    return r ? r : file_write_atomic(c->output, file->data, file->len, &c->diag);
}

static int print(struct compress *c) {
    if (c->ctl->json)
        return ctl_print_json(c->ctl, cJSON_Duplicate(report_json(c->report), true));
    printf("%s: '%s'\n\n", c->output, c->graph->name);
    return compress_print_figures(report_json(c->report)) ? ctl_fail(c->ctl, "out of memory")
                                                          : CTL_DONE;
}

static int compress(struct compress *c) {
    _cleanup_(buffer_deinit) struct buffer file;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    int r = read_inputs(c);
    if (!r)
        r = run(c);
    if (!r)
        r = container_write(c->graph, &file, &c->diag);
    if (!r)
        r = report_finish(c->report, c->graph, file.data, file.len, &c->diag);
    if (!r)
        r = write_files(c, &file);
    if (r == -ENOMEM)
        return ctl_fail(c->ctl, "out of memory");
    return r ? ctl_fail_diag(c->ctl, &c->diag) : print(c);
}

/* A recipe, or budgets to search one for. */
static int check_task(const struct compress *c) {
    const struct compress_budget *b = &c->budget;
    bool budgets = !isnan(b->max_drop) || b->max_bytes || b->max_latency_us > 0;
    if (!c->recipe_path && !budgets)
        return ctl_usage("compress", "what to do is missing: --recipe FILE.json, or budgets for a "
                                     "search (--max-drop, --max-bytes, --max-latency)");
    if (c->recipe_path && (budgets || b->preset || b->fastest || b->max_seconds > 0))
        return ctl_usage("compress", "budgets, --preset, --fastest and --max-time are for a "
                                     "search: they do not go with --recipe");
    if (c->recipe_path && b->seed)
        return ctl_usage("compress", "--seed is for a search: with --recipe the seed is in the "
                                     "recipe");
    if (budgets && !c->eval)
        return ctl_usage("compress", "--eval DIR is missing: validation data, by which a search "
                                     "chooses");
    if (budgets && !c->calibrate)
        return ctl_usage("compress", "--calibrate DIR is missing: a search needs inputs to "
                                     "calibrate on");
    return CTL_DONE;
}

int verb_compress(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(compress_deinit) struct compress c = {.ctl = ctl};
    _cleanup_(args_list_deinit) struct args_list words = {0};
    bool help_passes = false;
    c.budget = (struct compress_budget){.max_drop = (double)NAN};
    const char *metric = "top1";
    const struct args_option options[] = {
        {"output", 'o', ARGS_STRING, &c.output, 0, 0, "OUT.edge", "the file to write"},
        {"recipe", 'r', ARGS_STRING, &c.recipe_path, 0, 0, "FILE.json", "what to do, step by step"},
        {"calibrate", 0, ARGS_STRING, &c.calibrate, 0, 0, "DIR",
         "folder with an x.npy: inputs that passes may look at"},
        {"max-drop", 0, ARGS_NUMBER, &c.budget.max_drop, 0, 100, "POINTS",
         "search for the smallest file that costs at most this on the validation data"},
        {"max-bytes", 0, ARGS_COUNT, &c.budget.max_bytes, 1, UINT32_MAX, "N",
         "a budget for the file"},
        {"max-latency", 0, ARGS_NUMBER, &c.budget.max_latency_us, 0, 1000000000, "US",
         "a budget for the median latency"},
        {"fastest", 0, ARGS_FLAG, &c.budget.fastest, 0, 0, NULL,
         "of what meets the budgets the fastest, not the smallest"},
        {"preset", 0, ARGS_STRING, &c.budget.preset, 0, 0, "NAME",
         "techniques for a kind of data: general (default), image, audio, sensor"},
        {"max-time", 0, ARGS_SECONDS, &c.budget.max_seconds, 0, SEARCH_MAX_SECONDS, "SECONDS",
         "end a search then, with the best so far"},
        {"seed", 0, ARGS_COUNT, &c.budget.seed, 1, UINT32_MAX, "N", "of a search (1)"},
        {"eval", 0, ARGS_STRING, &c.eval, 0, 0, "DIR",
         "folder with x.npy and y.npy: validation data, for the score of each step"},
        {"test", 0, ARGS_STRING, &c.test, 0, 0, "DIR",
         "the same, for the result only: what nothing was chosen by"},
        {"metric", 'm', ARGS_STRING, &metric, 0, 0, "NAME", "top1 (default), auc or mse"},
        {"report", 0, ARGS_STRING, &c.page, 0, 0, "FILE.html",
         "write a page with figures, tables and diagrams"},
        {"name", 0, ARGS_STRING, &c.name, 0, 0, "NAME",
         "the network's name (as it was, else that of OUT.edge)"},
        {"help-passes", 0, ARGS_FLAG, &help_passes, 0, 0, NULL,
         "print what a recipe may say, and end"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "IN -o OUT.edge --recipe FILE.json|--max-drop POINTS ...",
        .summary =
            "Makes a network smaller: prunes, quantizes, factorizes, clusters its weights, as\n"
            "a recipe says, or as a search finds best within budgets. IN is a TensorFlow Lite\n"
            "network or an .edge file with float layers.",
        .options = options,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (help_passes)
        return compress_print_passes(ctl);
    if (!words.n)
        return ctl_usage("compress", "IN is missing: the network to make smaller");
    if (!c.output)
        return ctl_usage("compress", "-o OUT.edge is missing");
    r = check_task(&c);
    if (r)
        return r;
    if (c.name && !graph_name_served(c.name))
        return ctl_usage("compress", "--name: '%s' is not 1 to %d of A-Z a-z 0-9 . _ -", c.name,
                         GRAPH_MAX_SERVED_NAME);
    if (!metric_parse(metric, &c.metric))
        return ctl_usage("compress", "--metric: '%s' is none of top1, auc, mse", metric);
    c.input = words.items[0];
    return compress(&c);
}
