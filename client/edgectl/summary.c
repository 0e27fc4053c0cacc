/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks for people and for programs.
 */

#include "client/edgectl/summary.h"

#include <inttypes.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "client/edgectl/ctl.h"
#include "client/edgectl/table.h"

static uint64_t total_macs(const struct summary *s) {
    uint64_t macs = 0;
    for (size_t i = 0; i < s->n_layers; i++)
        macs += s->layers[i].macs;
    return macs;
}

static cJSON *shape_json(const int32_t *dims, unsigned n_dims) {
    cJSON *shape = cJSON_CreateArray();
    for (unsigned d = 0; d < n_dims; d++)
        cJSON_AddItemToArray(shape, cJSON_CreateNumber(dims[d]));
    return shape;
}

static cJSON *ports_json(const struct port *ports, uint32_t n) {
    cJSON *array = cJSON_CreateArray();
    for (uint32_t i = 0; i < n; i++) {
        cJSON *port = cJSON_CreateObject();
        cJSON_AddStringToObject(port, "name", ports[i].name);
        cJSON_AddStringToObject(port, "datatype", dtype_name(ports[i].dtype));
        cJSON_AddItemToObject(port, "shape", shape_json(ports[i].dims, ports[i].n_dims));
        if (ports[i].scale != 0) {
            cJSON_AddNumberToObject(port, "scale", (double)ports[i].scale);
            cJSON_AddNumberToObject(port, "zeroPoint", ports[i].zero_point);
        }
        cJSON_AddItemToArray(array, port);
    }
    return array;
}

static cJSON *layers_json(const struct summary *s) {
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < s->n_layers; i++) {
        const struct layer *l = &s->layers[i];
        cJSON *layer = cJSON_CreateObject();
        cJSON_AddStringToObject(layer, "operator", l->op);
        cJSON_AddStringToObject(layer, "kernel", l->kernel);
        cJSON_AddStringToObject(layer, "fused", l->fused);
        cJSON_AddStringToObject(layer, "why", l->why);
        cJSON_AddItemToObject(layer, "shape", shape_json(l->dims, l->n_dims));
        cJSON_AddNumberToObject(layer, "macs", (double)l->macs);
        cJSON_AddNumberToObject(layer, "weightBytes", (double)l->weight_bytes);
        cJSON_AddItemToArray(array, layer);
    }
    return array;
}

static int print_json(const struct ctl *ctl, const struct summary *s) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "name", s->name);
    cJSON_AddStringToObject(d, "version", s->version);
    cJSON_AddStringToObject(d, "description", s->description);
    cJSON_AddStringToObject(d, "licence", s->licence);
    cJSON_AddStringToObject(d, "tier", s->tier);
    cJSON_AddBoolToObject(d, "frontend", s->frontend);
    cJSON_AddItemToObject(d, "inputs", ports_json(s->source->inputs, s->source->n_inputs));
    cJSON_AddItemToObject(d, "outputs", ports_json(s->source->outputs, s->source->n_outputs));
    cJSON *labels = cJSON_AddArrayToObject(d, "labels");
    for (uint32_t i = 0; i < s->source->n_labels; i++)
        cJSON_AddItemToArray(labels, cJSON_CreateString(s->source->labels[i]));
    if (s->weights) {
        cJSON_AddNumberToObject(d, "bytes", (double)s->weights->file_bytes);
        cJSON_AddNumberToObject(d, "parameters", (double)s->weights->parameters);
        cJSON_AddNumberToObject(d, "nonZeros", (double)s->weights->non_zeros);
        cJSON_AddNumberToObject(d, "bits", (double)s->weights->bits);
    }
    cJSON_AddNumberToObject(d, "imageBytes", (double)s->image_bytes);
    cJSON_AddNumberToObject(d, "arenaBytes", (double)s->arena_bytes);
    cJSON_AddNumberToObject(d, "stateBytes", (double)s->state_bytes);
    cJSON_AddNumberToObject(d, "macs", (double)total_macs(s));
    cJSON_AddItemToObject(d, "layers", layers_json(s));
    return ctl_print_json(ctl, d);
}

static void add_port_rows(struct table *t, const char *what, const struct port *ports, uint32_t n) {
    char shape[PORT_SHAPE_MAX];
    for (uint32_t i = 0; i < n; i++) {
        table_add(t, "%s", what);
        table_add(t, "%s", ports[i].name);
        table_add(t, "%s", dtype_name(ports[i].dtype));
        table_add(t, "%s", port_shape(ports[i].dims, ports[i].n_dims, shape));
        if (ports[i].scale != 0)
            table_add(t, "%g, %" PRId32, (double)ports[i].scale, ports[i].zero_point);
        else
            table_add(t, "-");
    }
}

static int print_ports(const struct summary *s) {
    static const char *const titles[] = {"", "tensor", "type", "shape", "scale, zero point"};
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    add_port_rows(&t, "input", s->source->inputs, s->source->n_inputs);
    add_port_rows(&t, "output", s->source->outputs, s->source->n_outputs);
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

static int print_layers(const struct summary *s) {
    static const char *const titles[] = {">#",    "operator", "fused",  "output",
                                         ">MACs", ">weights", "kernel", "why"};
    char shown[PORT_SHAPE_MAX];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (size_t i = 0; i < s->n_layers; i++) {
        const struct layer *l = &s->layers[i];
        table_add(&t, "%zu", i);
        table_add(&t, "%s", l->op);
        table_add(&t, "%s", l->fused);
        table_add(&t, "%s", port_shape(l->dims, l->n_dims, shown));
        table_add(&t, "%s", human_count(l->macs, shown));
        table_add(&t, "%s", human_bytes(l->weight_bytes, shown));
        table_add(&t, "%s", l->kernel);
        table_add(&t, "%s", l->why);
    }
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

static void add_bytes_row(struct table *t, const char *what, uint64_t bytes) {
    char shown[HUMAN_MAX], exact[HUMAN_MAX];
    table_add(t, "%s", what);
    table_add(t, "%s (%s bytes)", human_bytes(bytes, shown), human_count(bytes, exact));
}

static int print_facts(const struct summary *s) {
    static const char *const titles[] = {"", ""};
    char shown[HUMAN_MAX], other[HUMAN_MAX];
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    const char *const texts[][2] = {{"name", s->name},
                                    {"version", s->version},
                                    {"description", s->description},
                                    {"licence", s->licence}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (!*texts[i][1])
            continue;
        table_add(&t, "%s", texts[i][0]);
        table_add(&t, "%s", texts[i][1]);
    }
    if (s->weights) {
        const struct weights *w = s->weights;
        double n = (double)MAX(w->parameters, (uint64_t)1);
        add_bytes_row(&t, "file", w->file_bytes);
        table_add(&t, "parameters");
        table_add(&t, "%s, %s not zero (%.1f %%), %.1f bits each",
                  human_count(w->parameters, shown), human_count(w->non_zeros, other),
                  100.0 * (double)w->non_zeros / n, (double)w->bits / n);
    }
    table_add(&t, "MACs");
    table_add(&t, "%s", human_count(total_macs(s), shown));
    add_bytes_row(&t, "image", s->image_bytes);
    add_bytes_row(&t, "arena", s->arena_bytes);
    if (s->state_bytes)
        add_bytes_row(&t, "state", s->state_bytes);
    table_add(&t, "CPU tier");
    table_add(&t, "%s", s->tier);
    if (s->source->n_labels) {
        table_add(&t, "labels");
        table_add(&t, "%" PRIu32 ", %s to %s", s->source->n_labels, s->source->labels[0],
                  s->source->labels[s->source->n_labels - 1]);
    }
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}

int summary_print(const struct ctl *ctl, const struct summary *s) {
    if (ctl->json)
        return print_json(ctl, s);
    int r = print_facts(s);
    putchar('\n');
    if (!r)
        r = print_ports(s);
    putchar('\n');
    if (!r)
        r = print_layers(s);
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}
