/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl import: a network of another format becomes an .edge file.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/fd.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/naming.h"
#include "client/edgectl/table.h"
#include "model/container.h"
#include "model/frontend.h"
#include "model/graph.h"
#include "model/netfile.h"

#define IMPORT_MAX_LABELS_BYTES ((size_t)16 << 20)

enum {
    IMPORT_E_INVALID = 1, /* the diag says what is wrong */
};

struct import {
    const char *output, *name, *version, *labels, *description, *frontend;
};

/* One label a line; a last line break is no label. */
static int set_labels(struct graph *graph, const char *path, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    int r = map_read_file(path, IMPORT_MAX_LABELS_BYTES, &map, diag);
    if (r)
        return r;
    const char *text = map.data, *end = text + map.size;
    size_t n = 0;
    for (const char *p = text; p < end; p++)
        n += *p == '\n' || p + 1 == end;
    if (n == 0 || n > GRAPH_MAX_LABELS)
        return diag_set(diag, IMPORT_E_INVALID, "%s: %zu labels; 1 to %d are taken", path, n,
                        GRAPH_MAX_LABELS);
    const char **labels = graph_alloc(graph, n * sizeof(*labels));
    if (!labels)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory");
    for (size_t i = 0; i < n; i++) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((line_end ? line_end : end) - text);
        size_t shown = length > 0 && text[length - 1] == '\r' ? length - 1 : length;
        if (memchr(text, 0, length))
            return diag_set(diag, IMPORT_E_INVALID, "%s: line %zu holds a NUL byte", path, i + 1);
        labels[i] = graph_strndup(graph, text, shown);
        if (!labels[i])
            return diag_set(diag, err_origin(-ENOMEM), "out of memory");
        text += length + 1;
    }
    graph->labels = labels;
    graph->n_labels = (uint32_t)n;
    return 0;
}

/* Labels belong to the first output: a wrong file shows at once. */
static int check_labels(const struct graph *graph, const char *path, struct diag *diag) {
    size_t n = tensor_elements(&graph->tensors[graph->outputs[0]]);
    if (n == graph->n_labels)
        return 0;
    return diag_set(diag, IMPORT_E_INVALID,
                    "%s has %u labels, the network's first output %zu values", path,
                    graph->n_labels, n);
}

static const struct frontend *find_frontend(const char *name) {
    for (const struct frontend *f = frontends; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static int apply(const struct import *import, const char *path, struct graph *graph,
                 struct diag *diag) {
    int r = naming_set_name(graph, import->name, import->output, diag);
    if (!r)
        r = naming_set_text(graph, import->version, &graph->version, diag);
    if (!r)
        r = naming_set_text(graph, import->description, &graph->description, diag);
    if (!r && import->labels) {
        r = set_labels(graph, import->labels, diag);
        if (!r)
            r = check_labels(graph, import->labels, diag);
    }
    if (!r && import->frontend) {
        r = find_frontend(import->frontend)->apply(graph, diag);
        if (r)
            diag_prefix(diag, r, "--frontend %s", import->frontend);
    }
    return r;
}

static int report(const struct ctl *ctl, const struct import *import, const struct graph *graph,
                  size_t from_bytes, size_t bytes) {
    if (ctl->json) {
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "file", import->output);
        cJSON_AddStringToObject(d, "name", graph->name);
        cJSON_AddStringToObject(d, "version", graph->version);
        cJSON_AddNumberToObject(d, "operators", graph->n_ops);
        cJSON_AddNumberToObject(d, "bytes", (double)bytes);
        return ctl_print_json(ctl, d);
    }
    char before[HUMAN_MAX], after[HUMAN_MAX];
    printf("%s: '%s', %u operators, %s (from %s)\n", import->output, graph->name, graph->n_ops,
           human_bytes(bytes, after), human_bytes(from_bytes, before));
    return CTL_DONE;
}

static int import_file(struct ctl *ctl, const struct import *import, const char *path) {
    struct diag diag = {0};
    _cleanup_(graph_freep) struct graph *graph = NULL;
    _cleanup_(buffer_deinit) struct buffer file;
    size_t from_bytes = 0;
    buffer_init(&file, CONTAINER_MAX_BYTES);
    int r = netfile_read(path, &graph, &from_bytes, &diag);
    if (!r)
        r = apply(import, path, graph, &diag);
    if (!r)
        r = container_write(graph, &file, &diag);
    if (!r)
        r = file_write_atomic(import->output, file.data, file.len, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    return report(ctl, import, graph, from_bytes, file.len);
}

int verb_import(struct ctl *ctl, int argc, char **argv) {
    struct import import = {0};
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const struct args_option options[] = {
        {"output", 'o', ARGS_STRING, &import.output, 0, 0, "OUT.edge", "the file to write"},
        {"name", 0, ARGS_STRING, &import.name, 0, 0, "NAME",
         "its name (that of OUT.edge, without its ending)"},
        {"version", 0, ARGS_STRING, &import.version, 0, 0, "TEXT", "its version"},
        {"labels", 0, ARGS_STRING, &import.labels, 0, 0, "FILE",
         "what the values of the first output stand for, one a line"},
        {"description", 0, ARGS_STRING, &import.description, 0, 0, "TEXT", "one line about it"},
        {"frontend", 0, ARGS_STRING, &import.frontend, 0, 0, "mfcc|pixels",
         "take recordings or pictures instead of features"},
        {0},
    };
    const struct args_spec spec = {
        .synopsis = "MODEL.tflite -o OUT.edge",
        .summary =
            "Makes an .edge file of a TensorFlow Lite network, or a changed copy of an .edge file.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    if (!import.output)
        return ctl_usage("import", "-o OUT.edge is missing");
    if (import.name && !graph_name_served(import.name))
        return ctl_usage("import", "--name: '%s' is not 1 to %d of A-Z a-z 0-9 . _ -", import.name,
                         GRAPH_MAX_SERVED_NAME);
    if (import.frontend && !find_frontend(import.frontend))
        return ctl_usage("import", "--frontend: '%s' is not one of mfcc, pixels", import.frontend);
    if (ctl_has_suffix(words.items[0], ".onnx"))
        return ctl_fail(ctl, "%s: ONNX files cannot be imported yet; convert the network to TFLite",
                        words.items[0]);
    return import_file(ctl, &import, words.items[0]);
}
