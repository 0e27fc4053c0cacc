/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl infer: files through a network.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/feed.h"
#include "client/edgectl/outcome.h"
#include "client/edgectl/progress.h"
#include "client/edgectl/source.h"
#include "client/edgectl/sweep.h"

#define INFER_DEFAULT_TOP 3  /* of a single run; of several only the first */
#define INFER_ONE_BY_ONE 256 /* up to so many runs each is timed on its own */

struct infer {
    struct args_list words, inputs;
    const char *output;
    uint32_t top; /* UINT32_MAX: not given */
    bool local, fresh;
};

static void infer_deinit(struct infer *infer) {
    args_list_deinit(&infer->words);
    args_list_deinit(&infer->inputs);
}

static int read_inputs(const struct infer *infer, struct feed *feed, struct diag *diag) {
    int r = 0;
    for (size_t i = 0; i < infer->inputs.n && !r; i++)
        r = feed_add(feed, infer->inputs.items[i], diag);
    for (size_t i = 1; i < infer->words.n && !r; i++)
        r = feed_add(feed, infer->words.items[i], diag);
    return r ? r : feed_finish(feed, diag);
}

static int run_all(const struct infer *infer, struct source *source, const struct feed *feed,
                   struct outcome *outcome, struct diag *diag) {
    _cleanup_(lane_freep) struct lane *lane = NULL;
    int r = lane_new(source, source->stateful && !infer->fresh, &lane, diag);
    if (r)
        return r;
    uint32_t most = feed->n_runs <= INFER_ONE_BY_ONE ? 1 : sweep_batch(source);
    struct progress progress;
    progress_init(&progress, "infer", feed->n_runs);
    for (size_t run = 0; run < feed->n_runs && !r;) {
        const void *inputs[GRAPH_MAX_IO];
        void *outputs[GRAPH_MAX_IO];
        uint32_t batch = (uint32_t)MIN((size_t)most, feed->n_runs - run);
        for (uint32_t i = 0; i < source->n_inputs; i++)
            inputs[i] = feed->values[i].data + run * source->inputs[i].size;
        for (uint32_t i = 0; i < source->n_outputs; i++)
            outputs[i] = outcome->values[i] + run * source->outputs[i].size;
        uint64_t start = clock_now_ns();
        r = lane_run(lane, batch, inputs, outputs, diag);
        uint64_t each = (clock_now_ns() - start) / batch;
        for (uint32_t i = 0; i < batch; i++)
            outcome->ns[run++] = each;
        progress_update(&progress, run);
    }
    progress_end(&progress);
    return r;
}

static size_t choose_top(const struct infer *infer, const struct source *source, size_t n_runs) {
    if (infer->top != UINT32_MAX)
        return infer->top;
    if (source->n_labels == 0 || port_elements(&source->outputs[0]) != source->n_labels)
        return 0;
    return n_runs == 1 ? INFER_DEFAULT_TOP : 1;
}

static int report(const struct ctl *ctl, const struct infer *infer, const struct outcome *outcome) {
    struct diag diag = {0};
    if (infer->output && outcome_write(outcome, infer->output, &diag))
        return ctl_fail_diag(ctl, &diag);
    size_t top = choose_top(infer, outcome->source, outcome->n_runs);
    if (ctl->json)
        return outcome_print_json(ctl, outcome, top);
    if (!infer->output || infer->top != UINT32_MAX)
        return outcome_print(ctl, outcome, top);
    printf("%zu %s written to %s\n", outcome->n_runs, outcome->n_runs == 1 ? "result" : "results",
           infer->output);
    return CTL_DONE;
}

static int infer_with(struct ctl *ctl, const struct infer *infer, struct source *source) {
    struct diag diag = {0};
    struct feed feed;
    struct outcome outcome = {0};
    feed_init(&feed, source);
    int r = infer->output ? outcome_check_path(source, infer->output, &diag) : 0;
    if (!r)
        r = read_inputs(infer, &feed, &diag);
    if (!r) {
        r = outcome_init(&outcome, source, feed.n_runs);
        if (r)
            diag_set(&diag, r, "out of memory for %zu runs", feed.n_runs);
    }
    if (!r)
        r = run_all(infer, source, &feed, &outcome, &diag);
    int status = r ? ctl_fail_diag(ctl, &diag) : report(ctl, infer, &outcome);
    outcome_deinit(&outcome);
    feed_deinit(&feed);
    return status;
}

int verb_infer(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(infer_deinit) struct infer infer = {.top = UINT32_MAX};
    const struct args_option options[] = {
        {"input", 'i', ARGS_LIST, &infer.inputs, 0, 0, "[TENSOR=]FILE",
         "an input: .npy, .bin, .json, .wav, .png, or - for standard input"},
        {"output", 'o', ARGS_STRING, &infer.output, 0, 0, "FILE",
         "write the outputs to an .npy or .bin"},
        {"top", 't', ARGS_COUNT, &infer.top, 1, 65536, "K", "print the K largest values"},
        {"fresh", 0, ARGS_FLAG, &infer.fresh, 0, 0, NULL,
         "start every input from the initial state"},
        {"local", 0, ARGS_FLAG, &infer.local, 0, 0, NULL,
         "NAME is a file; run it here, without a daemon"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "NAME --input [TENSOR=]FILE ...",
        .summary = "Runs a network on files. A file with several inputs, and several files, are "
                   "run one after\n"
                   "the other; a network with state keeps it from one to the next. .bin holds the "
                   "inputs' own\n"
                   "datatypes, all inputs of one run in order, run after run. .npy values of "
                   "another type,\n"
                   "and .json values, are real values that are quantized as the network needs. A "
                   "NAME with a\n"
                   "'/' in it or ending in .edge or .tflite is a file and is run in this process.",
        .options = options,
        .min_words = 1,
        .max_words = ARGS_MAX_LIST,
    };
    int r = args_parse(ctl, argc, argv, &spec, &infer.words);
    if (r)
        return args_status(r);
    if (infer.inputs.n + infer.words.n < 2)
        return ctl_usage("infer", "--input FILE is missing");
    if (infer.output && !outcome_is_path(infer.output))
        return ctl_usage("infer", "--output %s: the name must end in .npy or .bin", infer.output);
    _cleanup_(source_freep) struct source *source = NULL;
    struct diag diag = {0};
    if (source_open(ctl, infer.words.items[0], infer.local, &source, &diag))
        return ctl_fail_diag(ctl, &diag);
    return infer_with(ctl, &infer, source);
}
