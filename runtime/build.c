/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graph to image: makes the plan, lays the image out, writes it once into a memfd, seals it and maps it read-only.
 */

#include <errno.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "runtime/plan.h"

#define IMAGE_ALIGN KERN_PACK_ALIGN
#define IMAGE_MAX_BYTES UINT32_MAX /* struct ref has 32 bits */

/* The first run of a small network takes many times as long as any other, for its code is not there yet: more than about
 * a millisecond that is not worth. */
#define WARM_MAX_WORK ((uint64_t)16 << 20)

/* The image while it is laid out (map is empty) and written (map is there). Both passes take the same path, so that a
 * size cannot differ from what is written. */
struct writer {
    struct map map;
    uint64_t end;
    bool overflow;
};

/* Takes `size` bytes at a multiple of `align`; returns their offset. */
static uint64_t take(struct writer *w, uint64_t size, uint64_t align) {
    size_t at, end;
    if (w->overflow || !size_align(w->end, align, &at) || !size_add(at, size, &end) ||
        end > IMAGE_MAX_BYTES) {
        w->overflow = true;
        return 0;
    }
    w->end = end;
    return at;
}

static void *place(const struct writer *w, uint64_t offset) {
    return w->map.data ? (char *)w->map.data + offset : NULL;
}

static uint64_t put(struct writer *w, const void *bytes, uint64_t size, uint64_t align) {
    uint64_t at = take(w, size, align);
    if (w->map.data && size)
        memcpy(place(w, at), bytes, size);
    return at;
}

static uint32_t put_string(struct writer *w, const char *s) {
    return (uint32_t)put(w, s ? s : "", strlen(s ? s : "") + 1, 1);
}

static uint64_t put_labels(struct writer *w, const struct graph *g) {
    uint64_t at = take(w, (uint64_t)g->n_labels * sizeof(uint32_t), sizeof(uint32_t));
    for (uint32_t i = 0; i < g->n_labels; i++) {
        uint32_t string = put_string(w, g->labels[i]);
        if (w->map.data)
            ((uint32_t *)place(w, at))[i] = string;
    }
    return at;
}

static uint64_t put_ports(struct writer *w, const struct graph *g, const int32_t *tensors,
                          uint32_t n) {
    uint64_t at = take(w, (uint64_t)n * sizeof(struct image_port), 8);
    for (uint32_t i = 0; i < n; i++) {
        const struct tensor *t = &g->tensors[tensors[i]];
        struct image_port port = {
            .name = put_string(w, t->name),
            .dtype = t->dtype,
            .n_dims = t->n_dims,
            .scale = tensor_scale(t),
            .zero_point = t->quant.zero_point,
            .size = t->size,
        };
        memcpy(port.dims, t->dims, sizeof(port.dims));
        if (w->map.data)
            memcpy((struct image_port *)place(w, at) + i, &port, sizeof(port));
    }
    return at;
}

/* What a state holds before the first step. */
static void initial_state(const struct tensor *t, char *ret) {
    if (t->data) {
        memcpy(ret, t->data, t->size);
        return;
    }
    memset(ret, 0, t->size);
    if (t->dtype == DTYPE_INT8 || t->dtype == DTYPE_UINT8)
        memset(ret, t->quant.zero_point, t->size);
    if (t->dtype == DTYPE_INT16)
        for (size_t i = 0; i < t->size / 2; i++)
            ((int16_t *)(void *)ret)[i] = (int16_t)t->quant.zero_point;
}

static uint64_t put_state(struct writer *w, const struct plan *plan) {
    uint64_t at = take(w, plan->state_bytes, IMAGE_ALIGN);
    for (uint32_t i = 0; w->map.data && i < plan->graph->n_tensors; i++) {
        const struct tensor *t = &plan->graph->tensors[i];
        if (t->kind == TENSOR_STATE)
            initial_state(t, (char *)place(w, at) + plan->values[i].offset);
    }
    return at;
}

static void put_parts(struct writer *w, struct plan *plan) {
    for (uint32_t i = 0; i < plan->n_parts; i++) {
        struct part *part = &plan->parts[i];
        part->offset = take(w, part->size, IMAGE_ALIGN);
        if (!w->map.data)
            continue;
        if (part->pack)
            part->pack->pack(part->conv, &part->weights, place(w, part->offset));
        else
            memcpy(place(w, part->offset), part->bytes, part->size);
    }
}

static struct ref ref_of(const struct plan *plan, uint32_t number) {
    if (number == PLAN_NONE)
        return (struct ref){.base = SPACE_NONE};
    uint64_t at;
    const struct value *v = &plan->values[plan_root(plan, number, &at)];
    switch (v->space) {
    case SPACE_INPUT:
        return (struct ref){.base = SPACE_INPUT + (uint32_t)v->offset, .offset = (uint32_t)at};
    case SPACE_OUTPUT:
        return (struct ref){.base = SPACE_INPUT + plan->graph->n_inputs + (uint32_t)v->offset,
                            .offset = (uint32_t)at};
    case SPACE_IMAGE:
        at += plan->parts[v->offset].offset;
        break;
    default:
        at += v->offset;
        break;
    }
    return (struct ref){.base = v->space, .offset = (uint32_t)at};
}

/* Operands up to the last that is there. */
static uint32_t count_refs(const struct plan_step *step) {
    uint32_t n = IMAGE_MAX_REFS;
    while (n > 0 && step->values[n - 1] == PLAN_NONE)
        n--;
    return n;
}

static uint64_t put_steps(struct writer *w, const struct plan *plan) {
    uint64_t at = take(w, (uint64_t)plan->n_steps * sizeof(struct step), 8);
    for (uint32_t i = 0; w->map.data && i < plan->n_steps; i++) {
        const struct plan_step *from = &plan->steps[i];
        struct step step = from->step;
        step.n_refs = count_refs(from);
        step.params = from->params == PLAN_NONE ? 0 : plan->parts[from->params].offset;
        for (unsigned k = 0; k < IMAGE_MAX_REFS; k++)
            step.refs[k] = ref_of(plan, from->values[k]);
        memcpy((struct step *)place(w, at) + i, &step, sizeof(step));
    }
    return at;
}

static uint64_t put_layers(struct writer *w, const struct plan *plan) {
    uint64_t at = take(w, (uint64_t)plan->n_steps * sizeof(struct image_layer), 8);
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct plan_step *from = &plan->steps[i];
        const struct op *op = &plan->graph->ops[from->op];
        const struct tensor *y = &plan->graph->tensors[from->output];
        bool first = i == 0 || plan->steps[i - 1].op != from->op;
        struct image_layer layer = {
            .kind = op->kind,
            .fused = put_string(w, from->fused),
            .why = put_string(w, from->why),
            .macs = first ? graph_op_macs(plan->graph, op) : 0,
            .weight_bytes = from->weight_bytes,
            .n_dims = y->n_dims,
            .dtype = y->dtype,
        };
        memcpy(layer.dims, y->dims, sizeof(layer.dims));
        if (w->map.data)
            memcpy((struct image_layer *)place(w, at) + i, &layer, sizeof(layer));
    }
    return at;
}

/* Sound or pixels come in when the network's first operator prepares them. */
static bool has_frontend(const struct graph *g) {
    const struct tensor *x = &g->tensors[g->inputs[0]];
    return g->ops[0].kind == OP_MFCC ||
           (g->ops[0].kind == OP_DEQUANTIZE && x->dtype == DTYPE_UINT8 && x->n_dims == 4 &&
            tensor_scale(x) == 1.0F / 255.0F && x->quant.zero_point == 0);
}

static void write_image(struct writer *w, struct plan *plan) {
    const struct graph *g = plan->graph;
    w->end = sizeof(struct image_header);
    struct image_header h = {
        .magic = IMAGE_MAGIC,
        .tier = plan->kernels->tier,
        .n_steps = plan->n_steps,
        .n_inputs = g->n_inputs,
        .n_outputs = g->n_outputs,
        .n_labels = g->n_labels,
        .has_frontend = has_frontend(g),
        .name = put_string(w, g->name),
        .version = put_string(w, g->version),
        .description = put_string(w, g->description),
        .licence = put_string(w, g->licence),
        .arena_bytes = plan->arena_bytes,
        .state_bytes = plan->state_bytes,
    };
    put_parts(w, plan);
    h.labels = put_labels(w, g);
    h.inputs = put_ports(w, g, g->inputs, g->n_inputs);
    h.outputs = put_ports(w, g, g->outputs, g->n_outputs);
    h.state_initial = put_state(w, plan);
    h.layers = put_layers(w, plan);
    h.steps = put_steps(w, plan);
    h.size = w->end;
    if (w->map.data)
        memcpy(w->map.data, &h, sizeof(h));
}

static int write_sealed(struct plan *plan, int *ret_fd, size_t *ret_size) {
    struct writer w = {0};
    write_image(&w, plan);
    if (w.overflow)
        return diag_set(plan->diag, MODEL_E_UNSUPPORTED, "the image would exceed 4 GiB");
    size_t size = w.end;
    _cleanup_(fd_closep) int fd = -1;
    int r = memfd_new("edged-image", size, &fd);
    if (r == 0)
        r = map_shared(fd, size, &w.map);
    if (r)
        return diag_set(plan->diag, r, "no memory for an image of %zu bytes", size);
    map_populate(&w.map, true);
    write_image(&w, plan);
    edge_assert(w.end == size);
    map_deinit(&w.map);
    r = memfd_seal_image(fd);
    if (r)
        return err_trace(r);
    *ret_fd = fd;
    fd = -1;
    *ret_size = size;
    return 0;
}

int image_build(const struct graph *graph, enum tier tier, struct image **ret_image,
                struct diag *diag) {
    _cleanup_(plan_freep) struct plan *plan = NULL;
    int r = plan_new(graph, kernels_get(tier), diag, &plan);
    if (r == 0)
        r = plan_make(plan);
    _cleanup_(fd_closep) int fd = -1;
    size_t size = 0;
    if (r == 0)
        r = write_sealed(plan, &fd, &size);
    if (r)
        return r;
    struct image *image;
    r = image_open(fd, size, &image);
    if (r)
        return err_trace(r);
    fd = -1;
    if (graph_work(graph) <= WARM_MAX_WORK)
        image_warm_up(image);
    *ret_image = image;
    return 0;
}
