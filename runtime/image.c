/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as handles: mapping, counting references, saying what is inside.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "runtime/image-format.h"

static const char *string_at(const struct image *image, uint32_t offset) {
    return image_at(image, offset);
}

static struct port *read_ports(const struct image *image, uint64_t offset, uint32_t n) {
    struct port *ports = calloc(n + 1, sizeof(*ports));
    const struct image_port *from = image_at(image, offset);
    for (uint32_t i = 0; ports && i < n; i++) {
        ports[i] = (struct port){
            .name = string_at(image, from[i].name),
            .dtype = from[i].dtype,
            .n_dims = (uint8_t)from[i].n_dims,
            .scale = from[i].scale,
            .zero_point = from[i].zero_point,
            .size = from[i].size,
        };
        memcpy(ports[i].dims, from[i].dims, sizeof(ports[i].dims));
    }
    return ports;
}

static struct image *image_free(struct image *image) {
    if (!image)
        return NULL;
    free(image->inputs);
    free(image->outputs);
    map_deinit(&image->map);
    fd_close(image->fd);
    free(image);
    return NULL;
}

int image_open(int fd, size_t size, struct image **ret_image) {
    struct image *image = calloc(1, sizeof(*image));
    if (!image)
        return err_origin(-ENOMEM);
    atomic_init(&image->refs, 1);
    image->fd = -1;
    int r = map_sealed(fd, size, &image->map);
    if (r) {
        image_free(image);
        return err_trace(r);
    }
    map_populate(&image->map, false);
    const struct image_header *h = image->header = image->map.data;
    edge_assert(h->magic == IMAGE_MAGIC && h->size == size);
    image->steps = image_at(image, h->steps);
    image->layers = image_at(image, h->layers);
    image->kernels = kernels_get((enum tier)h->tier);
    image->inputs = read_ports(image, h->inputs, h->n_inputs);
    image->outputs = read_ports(image, h->outputs, h->n_outputs);
    if (!image->inputs || !image->outputs) {
        image_free(image);
        return err_origin(-ENOMEM);
    }
    image->fd = fd;
    *ret_image = image;
    return 0;
}

struct image *image_ref(struct image *image) {
    if (image)
        atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
    return image;
}

struct image *image_unref(struct image *image) {
    if (image && atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) == 1)
        image_free(image);
    return NULL;
}

void image_unrefp(struct image **image) {
    *image = image_unref(*image);
}

const char *image_name(const struct image *image) {
    return string_at(image, image->header->name);
}

const char *image_version(const struct image *image) {
    return string_at(image, image->header->version);
}

const char *image_description(const struct image *image) {
    return string_at(image, image->header->description);
}

const char *image_licence(const struct image *image) {
    return string_at(image, image->header->licence);
}

uint32_t image_n_labels(const struct image *image) {
    return image->header->n_labels;
}

const char *image_label(const struct image *image, uint32_t i) {
    if (i >= image->header->n_labels)
        return NULL;
    const uint32_t *labels = image_at(image, image->header->labels);
    return string_at(image, labels[i]);
}

uint32_t image_n_inputs(const struct image *image) {
    return image->header->n_inputs;
}

uint32_t image_n_outputs(const struct image *image) {
    return image->header->n_outputs;
}

const struct port *image_input(const struct image *image, uint32_t i) {
    edge_assert(i < image->header->n_inputs);
    return &image->inputs[i];
}

const struct port *image_output(const struct image *image, uint32_t i) {
    edge_assert(i < image->header->n_outputs);
    return &image->outputs[i];
}

uint32_t image_n_layers(const struct image *image) {
    return image->header->n_steps;
}

static const char *kernel_name(const struct image *image, const struct step *step) {
    if (step->fn == STEP_CONV_S8)
        return image->kernels->conv_s8[step->variant]->name;
    if (step->fn == STEP_CONV_F32)
        return image->kernels->conv_f32[step->variant]->name;
    if (step->fn == STEP_CONV_HYBRID)
        return image->kernels->conv_hybrid[step->variant]->name;
    return step_fn_name((enum step_fn)step->fn);
}

struct layer_info image_layer(const struct image *image, uint32_t i) {
    edge_assert(i < image->header->n_steps);
    const struct image_layer *layer = &image->layers[i];
    struct layer_info info = {
        .kind = (enum op_kind)layer->kind,
        .kernel = kernel_name(image, &image->steps[i]),
        .fused = string_at(image, layer->fused),
        .why = string_at(image, layer->why),
        .macs = layer->macs,
        .weight_bytes = layer->weight_bytes,
        .n_dims = (uint8_t)layer->n_dims,
        .dtype = (enum dtype)layer->dtype,
    };
    memcpy(info.dims, layer->dims, sizeof(info.dims));
    return info;
}

enum tier image_tier(const struct image *image) {
    return (enum tier)image->header->tier;
}

size_t image_bytes(const struct image *image) {
    return image->map.size;
}

size_t image_arena_bytes(const struct image *image) {
    return image->header->arena_bytes;
}

size_t image_state_bytes(const struct image *image) {
    return image->header->state_bytes;
}

bool image_has_frontend(const struct image *image) {
    return image->header->has_frontend;
}
