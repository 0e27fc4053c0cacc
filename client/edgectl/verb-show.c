/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl show: what is in a network. A file is compiled here, a name is asked of the daemon; both become one summary.
 */

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/edgectl/args.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/daemon.h"
#include "client/edgectl/source.h"
#include "client/edgectl/summary.h"
#include "compress/complexity.h"
#include "model/graph.h"
#include "model/netfile.h"

static int show_file(const struct ctl *ctl, const char *path) {
    struct diag diag = {0};
    _cleanup_(graph_freep) struct graph *graph = NULL;
    _cleanup_(source_freep) struct source *source = NULL;
    size_t file_bytes = 0;
    int r = netfile_read(path, &graph, &file_bytes, &diag);
    if (!r)
        r = source_open_local(path, ctl->tier, &source, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    const struct image *image = source->image;
    const struct complexity c = complexity_of(graph);
    const struct weights weights = {file_bytes, c.parameters, c.non_zeros, c.bits};
    struct summary s = {
        .name = source->name,
        .version = source->version,
        .description = image_description(image),
        .licence = image_licence(image),
        .tier = tier_name(image_tier(image)),
        .frontend = source->has_frontend,
        .image_bytes = image_bytes(image),
        .arena_bytes = image_arena_bytes(image),
        .state_bytes = image_state_bytes(image),
        .source = source,
        .n_layers = image_n_layers(image),
        .weights = &weights,
    };
    s.layers = calloc(s.n_layers + 1, sizeof(*s.layers));
    if (!s.layers)
        return ctl_fail(ctl, "out of memory");
    for (uint32_t i = 0; i < s.n_layers; i++) {
        struct layer_info l = image_layer(image, i);
        s.layers[i] = (struct layer){
            .op = op_kind_name(l.kind),
            .kernel = l.kernel,
            .fused = l.fused,
            .why = l.why,
            .n_dims = l.n_dims,
            .macs = l.macs,
            .weight_bytes = l.weight_bytes,
        };
        memcpy(s.layers[i].dims, l.dims, sizeof(l.dims));
    }
    int status = summary_print(ctl, &s);
    free(s.layers);
    return status;
}

static int show_loaded(const struct ctl *ctl, const char *name) {
    struct diag diag = {0};
    _cleanup_(source_freep) struct source *source = NULL;
    int r = source_open_daemon(ctl->socket, name, &source, &diag);
    if (r)
        return ctl_fail_diag(ctl, &diag);
    const struct edge_model *m = source->model;
    struct summary s = {
        .name = m->info.name,
        .version = m->info.version,
        .description = m->info.description,
        .licence = m->licence,
        .tier = m->tier,
        .frontend = m->frontend,
        .image_bytes = (uint64_t)m->info.bytes,
        .arena_bytes = (uint64_t)m->info.arena_bytes,
        .state_bytes = (uint64_t)m->info.state_bytes,
        .source = source,
        .n_layers = m->n_layers,
    };
    s.layers = calloc(s.n_layers + 1, sizeof(*s.layers));
    if (!s.layers)
        return ctl_fail(ctl, "out of memory");
    for (size_t i = 0; i < s.n_layers; i++) {
        const struct edge_layer *l = &m->layers[i];
        s.layers[i] = (struct layer){
            .op = l->op,
            .kernel = l->kernel,
            .fused = l->fused,
            .why = l->why,
            .n_dims = MIN(l->n_dims, (unsigned)GRAPH_MAX_DIMS),
            .macs = (uint64_t)l->macs,
            .weight_bytes = (uint64_t)l->weight_bytes,
        };
        for (unsigned k = 0; k < s.layers[i].n_dims; k++)
            s.layers[i].dims[k] = (int32_t)MIN(l->shape[k], (int64_t)INT32_MAX);
    }
    int status = summary_print(ctl, &s);
    free(s.layers);
    return status;
}

int verb_show(struct ctl *ctl, int argc, char **argv) {
    _cleanup_(args_list_deinit) struct args_list words = {0};
    const struct args_option options[] = {{0}};
    const struct args_spec spec = {
        .synopsis = "FILE.edge|NAME",
        .summary =
            "Says what is in a network, and which kernel computes each of its layers on this CPU.\n"
            "Parameters are counted in files only.",
        .options = options,
        .min_words = 1,
        .max_words = 1,
    };
    int r = args_parse(ctl, argc, argv, &spec, &words);
    if (r)
        return args_status(r);
    const char *name = words.items[0];
    return ctl_is_file(name) ? show_file(ctl, name) : show_loaded(ctl, name);
}
