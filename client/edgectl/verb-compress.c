/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl compress: a network becomes a smaller one by a recipe. Nothing is written where anything fails.
 */

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
#include "client/edgectl/table.h"
#include "compress/dataset.h"
#include "compress/pass.h"
#include "compress/recipe.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/netfile.h"

struct compress {
    struct ctl *ctl;
    const char *input, *output, *name, *recipe_path, *calibrate;
    struct recipe *recipe;
    struct graph *graph;
    struct dataset calibration;
    size_t from_bytes;
    cJSON *steps; /* what is said of each */
    struct diag diag;
};

static void compress_deinit(struct compress *c) {
    recipe_free(c->recipe);
    graph_free(c->graph);
    dataset_deinit(&c->calibration);
    cJSON_Delete(c->steps);
}

/* The network is called as it was; one that had no name, as the file is. */
static int keep_name(struct compress *c) {
    const char *name = c->name ? c->name : *c->graph->name ? c->graph->name : NULL;
    return naming_set_name(c->graph, name, c->output, &c->diag);
}

static int read_inputs(struct compress *c) {
    int r = recipe_read(c->recipe_path, &c->recipe, &c->diag);
    if (!r)
        r = netfile_read(c->input, &c->graph, &c->from_bytes, &c->diag);
    if (!r)
        r = keep_name(c);
    if (!r && c->calibrate) {
        r = dataset_open(c->calibrate, &c->calibration, &c->diag);
        if (!r)
            r = dataset_check(&c->calibration, c->graph, "--calibrate", &c->diag);
    }
    return r;
}

static int file_bytes(const struct graph *graph, size_t *ret_bytes, struct diag *diag) {
    _cleanup_(buffer_deinit) struct buffer file;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    int r = container_write(graph, &file, diag);
    if (!r)
        *ret_bytes = file.len;
    return r > 0 ? COMPRESS_E_INVALID : r;
}

static int each_step(void *arg, size_t step, const struct pass_context *context) {
    struct compress *c = arg;
    char bytes[HUMAN_MAX];
    size_t size = 0;
    const char *pass = c->recipe->steps[step].pass->name;
    int r = file_bytes(context->graph, &size, context->diag);
    if (r)
        return r;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "pass", pass);
    cJSON_AddStringToObject(json, "summary", context->summary);
    cJSON_AddNumberToObject(json, "bytes", (double)size);
    cJSON_AddItemToArray(c->steps, json);
    if (!c->ctl->json) {
        printf("%zu. %s: %s; %s\n", step + 1, pass, context->summary, human_bytes(size, bytes));
        fflush(stdout);
    }
    return 0;
}

static int report(struct compress *c, size_t bytes) {
    char before[HUMAN_MAX], after[HUMAN_MAX];
    if (c->ctl->json) {
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "file", c->output);
        cJSON_AddStringToObject(d, "name", c->graph->name);
        cJSON_AddNumberToObject(d, "seed", (double)c->recipe->seed);
        cJSON_AddNumberToObject(d, "fromBytes", (double)c->from_bytes);
        cJSON_AddNumberToObject(d, "bytes", (double)bytes);
        cJSON_AddItemToObject(d, "steps", c->steps);
        c->steps = NULL;
        return ctl_print_json(c->ctl, d);
    }
    printf("%s: '%s', %s (from %s)\n", c->output, c->graph->name, human_bytes(bytes, after),
           human_bytes(c->from_bytes, before));
    return CTL_DONE;
}

static int compress(struct compress *c) {
    _cleanup_(buffer_deinit) struct buffer file;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    c->steps = cJSON_CreateArray();
    int r = read_inputs(c);
    if (!r) {
        r = recipe_run(c->recipe, &c->graph, c->calibrate ? &c->calibration : NULL, c->ctl->tier,
                       each_step, c, &c->diag);
        if (r > 0)
            diag_prefix(&c->diag, r, "%s", c->recipe_path);
    }
    if (!r)
        r = container_write(c->graph, &file, &c->diag);
    if (!r)
        r = file_write_atomic(c->output, file.data, file.len, &c->diag);
    if (r == -ENOMEM)
        return ctl_fail(c->ctl, "out of memory");
    if (r)
        return ctl_fail_diag(c->ctl, &c->diag);
    return report(c, file.len);
}

int verb_compress(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(compress_deinit) struct compress c = {.ctl = ctl};
    _cleanup_(args_list_deinit) struct args_list words = {0};
    bool help_passes = false;
    const struct args_option options[] = {
        {"output", 'o', ARGS_STRING, &c.output, 0, 0, "OUT.edge", "the file to write"},
        {"recipe", 'r', ARGS_STRING, &c.recipe_path, 0, 0, "FILE.json", "what to do, step by step"},
        {"calibrate", 0, ARGS_STRING, &c.calibrate, 0, 0, "DIR",
         "folder with an x.npy: inputs that passes may look at"},
        {"name", 0, ARGS_STRING, &c.name, 0, 0, "NAME",
         "the network's name (as it was, else that of OUT.edge)"},
        {"help-passes", 0, ARGS_FLAG, &help_passes, 0, 0, NULL,
         "print what a recipe may say, and end"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "IN -o OUT.edge --recipe FILE.json",
        .summary =
            "Makes a network smaller: prunes, quantizes, factorizes, clusters its weights, as\n"
            "a recipe says. IN is a TensorFlow Lite network or an .edge file with float layers.",
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
    if (!c.recipe_path)
        return ctl_usage("compress", "--recipe FILE.json is missing: what to do");
    if (c.name && !graph_name_served(c.name))
        return ctl_usage("compress", "--name: '%s' is not 1 to %d of A-Z a-z 0-9 . _ -", c.name,
                         GRAPH_MAX_SERVED_NAME);
    c.input = words.items[0];
    return compress(&c);
}
