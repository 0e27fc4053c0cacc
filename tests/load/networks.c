/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixtures: files, images, inputs, expected outputs.
 */

#include "tests/load/networks.h"

#include <string.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/random.h"
#include "kernels/cpu.h"
#include "model/container.h"
#include "model/graph.h"
#include "model/tflite.h"
#include "tests/load/outcome.h"

#define SUM_SIZE 24

static size_t elements(const struct port *port) {
    return port->size / dtype_size(port->dtype);
}

static void write_container(const struct graph *graph, const char *path) {
    struct diag diag = {"no room"};
    struct buffer buffer;
    buffer_init(&buffer, CONTAINER_MAX_BYTES);
    expect(container_write(graph, &buffer, &diag) == 0, "%s: %s", path, diag.text);
    expect(file_write_atomic(path, buffer.data, buffer.len, &diag) == 0, "%s: %s", path, diag.text);
    buffer_deinit(&buffer);
}

static struct graph *read_graph(const char *path, const char *name) {
    struct diag diag;
    struct map map;
    struct graph *graph;
    expect(map_read_file(path, CONTAINER_MAX_BYTES, &map, &diag) == 0, "%s", diag.text);
    expect(tflite_read(map.data, map.size, &graph, &diag) == 0, "%s: %s", path, diag.text);
    map_deinit(&map);
    graph->name = graph_strndup(graph, name, strlen(name));
    expect(graph->name, "no memory");
    return graph;
}

void network_convert(const char *path, const char *name, const char *dir, char *ret_path,
                     size_t ret_path_size) {
    struct graph *graph = read_graph(path, name);
    snprintf(ret_path, ret_path_size, "%s/%s.edge", dir, name);
    write_container(graph, ret_path);
    graph_free(graph);
}

/* Takes the graph over. */
static struct network *add_graph(struct networks *networks, struct graph *graph, const char *dir,
                                 unsigned weight) {
    char path[512];
    struct diag diag;
    expect(networks->n < NETWORKS_MAX, "too many networks");
    struct network *network = &networks->list[networks->n++];
    snprintf(network->name, sizeof(network->name), "%.63s", graph->name);
    snprintf(path, sizeof(path), "%s/%s.edge", dir, network->name);
    write_container(graph, path);
    expect(image_build(graph, tier_best(), &network->image, &diag) == 0, "%s: %s", network->name,
           diag.text);
    graph_free(graph);
    network->arena =
        aligned_alloc(RUNTIME_ARENA_ALIGN, MAX(image_arena_bytes(network->image), (size_t)64));
    expect(network->arena, "no memory");
    network->weight = weight;
    networks->weights += weight;
    network->n_inputs = image_n_inputs(network->image);
    network->n_outputs = image_n_outputs(network->image);
    expect(MAX(network->n_inputs, network->n_outputs) <= NETWORK_MAX_IO, "%s: too many ports",
           network->name);
    return network;
}

void networks_init(struct networks *ret_networks) {
    *ret_networks = (struct networks){.inputs_fd = -1};
}

void networks_deinit(struct networks *networks) {
    for (size_t i = 0; i < networks->n; i++) {
        struct network *network = &networks->list[i];
        image_unref(network->image);
        free(network->arena);
        for (uint32_t o = 0; o < network->n_outputs; o++) {
            free(network->outputs[o]);
            free(network->real_outputs[o]);
        }
    }
    map_deinit(&networks->inputs);
    networks->inputs_fd = fd_close(networks->inputs_fd);
}

void networks_add_file(struct networks *networks, const char *path, const char *name,
                       const char *dir, unsigned weight) {
    struct graph *graph = read_graph(path, name);
    bool identity = graph->n_ops == 1 && graph->ops[0].kind == OP_RESHAPE;
    add_graph(networks, graph, dir, weight)->identity = identity;
}

static int32_t add_tensor(struct graph *graph, enum tensor_kind kind, const char *name,
                          const float *scale) {
    struct tensor t = {.name = name,
                       .dtype = DTYPE_INT8,
                       .kind = kind,
                       .n_dims = 2,
                       .dims = {1, SUM_SIZE},
                       .quant = {.scales = scale, .n_scales = 1, .zero_point = 0},
                       .size = SUM_SIZE};
    int32_t index;
    expect(graph_add_tensor(graph, &t, &index) == 0, "no tensor");
    return index;
}

static void add_op(struct graph *graph, enum op_kind kind, int n_in, int32_t a, int32_t b,
                   const int32_t *out) {
    struct op op = {.kind = kind, .n_inputs = (uint16_t)n_in, .n_outputs = out ? 1 : 0};
    int32_t in[] = {a, b};
    expect(graph_add_op(graph, &op, in, out) == 0, "no operator");
}

void networks_add_sum(struct networks *networks, const char *name, const char *dir,
                      unsigned weight) {
    struct graph *graph;
    struct diag diag;
    expect(graph_new(&graph) == 0, "no graph");
    float *scale = graph_alloc(graph, sizeof(*scale));
    graph->inputs = graph_alloc(graph, sizeof(int32_t));
    graph->outputs = graph_alloc(graph, sizeof(int32_t));
    graph->name = graph_strndup(graph, name, strlen(name));
    expect(scale && graph->inputs && graph->outputs && graph->name, "no memory");
    *scale = 0.25f;
    int32_t x = add_tensor(graph, TENSOR_ACTIVATION, "x", scale);
    int32_t sum = add_tensor(graph, TENSOR_STATE, "sum", scale);
    int32_t before = add_tensor(graph, TENSOR_ACTIVATION, "before", scale);
    int32_t after = add_tensor(graph, TENSOR_ACTIVATION, "after", scale);
    add_op(graph, OP_READ_STATE, 1, sum, 0, &before);
    add_op(graph, OP_ADD, 2, x, before, &after);
    add_op(graph, OP_WRITE_STATE, 2, sum, after, NULL);
    graph->inputs[0] = x;
    graph->outputs[0] = after;
    graph->n_inputs = graph->n_outputs = 1;
    expect(graph_check(graph, &diag) == 0, "%s", diag.text);
    add_graph(networks, graph, dir, weight);
}

/* Random values of a port; floats stay small. */
static void fill_native(const struct port *port, size_t n, struct random *random, void *ret) {
    if (port->dtype == DTYPE_FP32) {
        float *v = ret;
        for (size_t i = 0; i < n; i++)
            v[i] = (float)(2 * random_unit(random) - 1);
    } else {
        uint8_t *v = ret;
        for (size_t i = 0; i < n * dtype_size(port->dtype); i++)
            v[i] = (uint8_t)random_u64(random);
    }
}

/* Real values that quantize to `native`, none of them on a boundary. */
static void fill_real(const struct port *port, const void *native, size_t n, struct random *random,
                      float *ret) {
    expect(port_dequantize(port, native, n, ret) == 0, "cannot dequantize %s", port->name);
    for (size_t i = 0; i < n; i++)
        ret[i] += port->scale * (float)(0.6 * random_unit(random) - 0.3);
}

static bool has_real(const struct port *port) {
    return port->scale > 0 && port->dtype != DTYPE_FP32;
}

/* Finds a place for all inputs; returns the bytes of all. */
static size_t place_inputs(struct networks *networks) {
    size_t size = 0;
    for (size_t k = 0; k < networks->n; k++) {
        struct network *network = &networks->list[k];
        for (uint32_t i = 0; i < network->n_inputs; i++) {
            const struct port *port = image_input(network->image, i);
            network->native[i] = size;
            size += ALIGN_UP(NETWORK_STORED * port->size, 64);
            network->real[i] = SIZE_MAX;
            if (has_real(port)) {
                network->real[i] = size;
                size += ALIGN_UP(NETWORK_STORED * elements(port) * sizeof(float), 64);
            }
        }
    }
    return size;
}

static void fill_inputs(struct networks *networks, struct network *network, struct random *random) {
    uint8_t *base = networks->inputs.data;
    for (uint32_t i = 0; i < network->n_inputs; i++) {
        const struct port *port = image_input(network->image, i);
        uint8_t *native = base + network->native[i];
        size_t n = elements(port), again = NETWORK_STORED - NETWORK_SAMPLES;
        fill_native(port, NETWORK_SAMPLES * n, random, native);
        memcpy(native + NETWORK_SAMPLES * port->size, native, again * port->size);
        if (network->real[i] != SIZE_MAX)
            fill_real(port, native, NETWORK_STORED * n, random,
                      (float *)(void *)(base + network->real[i]));
    }
}

static void fill_outputs(const struct networks *networks, struct network *network) {
    const void *inputs[NETWORK_MAX_IO];
    void *outputs[NETWORK_MAX_IO];
    for (uint32_t i = 0; i < network->n_inputs; i++)
        inputs[i] = (uint8_t *)networks->inputs.data + network->native[i];
    for (uint32_t o = 0; o < network->n_outputs; o++) {
        const struct port *port = image_output(network->image, o);
        outputs[o] = network->outputs[o] = malloc(NETWORK_STORED * port->size);
        expect(outputs[o], "no memory");
    }
    network_run(network, NULL, NETWORK_STORED, inputs, outputs);
    for (uint32_t o = 0; o < network->n_outputs; o++) {
        const struct port *port = image_output(network->image, o);
        if (!has_real(port))
            continue;
        size_t n = NETWORK_STORED * elements(port);
        network->real_outputs[o] = malloc(n * sizeof(float));
        expect(network->real_outputs[o], "no memory");
        expect(port_dequantize(port, outputs[o], n, network->real_outputs[o]) == 0,
               "cannot dequantize %s", port->name);
    }
}

void networks_fill(struct networks *networks, uint64_t seed) {
    struct random random = {seed};
    size_t size = place_inputs(networks);
    expect(memfd_new("inputs", size, &networks->inputs_fd) == 0, "no memfd");
    expect(map_shared(networks->inputs_fd, size, &networks->inputs) == 0, "no map");
    expect(memfd_seal_region(networks->inputs_fd) == 0, "no seal");
    for (size_t k = 0; k < networks->n; k++) {
        fill_inputs(networks, &networks->list[k], &random);
        fill_outputs(networks, &networks->list[k]);
    }
}

void network_run(const struct network *network, struct session *session, uint32_t batch,
                 const void *const *inputs, void *const *outputs) {
    int r = image_run(network->image, session, batch, inputs, outputs, network->arena, NULL);
    expect(r == 0, "%s does not run: %d", network->name, r);
}
