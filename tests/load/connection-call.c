/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of every kind: each form both ways, batches, sessions, FP32 for integers; and what must come back.
 */

#include "tests/load/connection-call.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "proto/values.h"
#include "tests/load/outcome.h"

#define FLOAT_BOUND 1e-5 /* of the largest magnitude; kernels/kernels.h */

static bool one_in(struct connection *c, uint32_t n) {
    return random_below(&c->random, n) == 0;
}

static const struct network *choose_network(struct connection *c) {
    uint32_t at = random_below(&c->random, c->networks->weights);
    const struct network *network = c->networks->list;
    for (; at >= network->weight; network++)
        at -= network->weight;
    return network;
}

static bool all_real(const struct network *network, bool outputs) {
    uint32_t n = outputs ? network->n_outputs : network->n_inputs;
    for (uint32_t i = 0; i < n; i++)
        if (outputs ? !network->real_outputs[i] : network->real[i] == SIZE_MAX)
            return false;
    return true;
}

void connection_choose_call(struct connection *c, struct call *ret_call) {
    struct call call = {.network = choose_network(c)};
    call.in_session = c->streaming && one_in(c, 8);
    if (call.in_session)
        call.network = c->streaming;
    call.batch = one_in(c, 3) ? 1 + random_below(&c->random, NETWORK_MAX_BATCH) : 1;
    call.first = random_below(&c->random, NETWORK_SAMPLES);
    call.in_form = random_below(&c->random, 4);
    call.out_form = random_below(&c->random, 4);
    if (call.out_form == WIRE_REGION && c->slots_used == c->n_slots)
        call.out_form = WIRE_RAW;
    if (call.out_form == WIRE_REGION)
        call.slot = c->slots_used++ * c->slot_size;
    call.real_in = all_real(call.network, false) && one_in(c, 4);
    call.real_out = all_real(call.network, true) && one_in(c, 4);
    call.last_only = call.network->n_outputs > 1 && one_in(c, 2);
    *ret_call = call;
}

/* Where the values of input i of the call's batch are in networks->inputs. */
static size_t input_offset(const struct call *call, uint32_t i, size_t *ret_size) {
    const struct network *network = call->network;
    const struct port *port = image_input(network->image, i);
    size_t real_size = port->size / dtype_size(port->dtype) * sizeof(float);
    size_t size = call->real_in ? real_size : port->size;
    *ret_size = call->batch * size;
    return (call->real_in ? network->real[i] : network->native[i]) + call->first * size;
}

/* The outputs of a call whose inputs are steps of the session. */
static void run_in_session(struct connection *c, struct call *call) {
    const struct network *network = call->network;
    const void *inputs[NETWORK_MAX_IO];
    void *outputs[NETWORK_MAX_IO];
    for (uint32_t i = 0; i < network->n_inputs; i++)
        inputs[i] = (uint8_t *)c->networks->inputs.data + network->native[i] +
                    call->first * image_input(network->image, i)->size;
    expect(network->n_outputs == 1, "%s: a network with state has one output here", network->name);
    outputs[0] = call->expected = malloc(call->batch * image_output(network->image, 0)->size);
    expect(call->expected, "no memory");
    network_run(network, c->session, call->batch, inputs, outputs);
}

/* Input that no other call has, so that its answer is nobody else's: a memfd of the call's own, or a copy. */
static const uint8_t *unique_input(struct connection *c, struct call *call, size_t size) {
    call->expected = malloc(size);
    expect(call->expected, "no memory");
    for (size_t i = 0; i < size; i++)
        call->expected[i] = (uint8_t)random_u64(&c->random);
    if (call->in_form != WIRE_FILE_DESCRIPTOR)
        return call->expected;
    struct map map;
    expect(memfd_new("input", size, &c->fds[0]) == 0, "no memfd");
    expect(map_shared(c->fds[0], size, &map) == 0, "no map");
    memcpy(map.data, call->expected, size);
    map_deinit(&map);
    expect(memfd_seal_region(c->fds[0]) == 0, "no seal");
    c->n_fds = 1;
    c->fd_is_ours = true;
    return call->expected;
}

/* The declared shape, its first axis longer or with one more axis, as the interface allows for a batch. */
static void put_shape(struct json_writer *w, const struct port *port, uint32_t batch,
                      bool more_axes) {
    json_key(w, "shape");
    json_begin_array(w);
    if (more_axes)
        json_put_uint(w, batch);
    for (unsigned d = 0; d < port->n_dims; d++)
        json_put_int(w, d == 0 && !more_axes ? (int64_t)port->dims[d] * batch : port->dims[d]);
    json_end_array(w);
}

static void put_data(struct json_writer *w, enum dtype dtype, const void *values, size_t size) {
    size_t n = size / dtype_size(dtype);
    json_key(w, "data");
    json_begin_array(w);
    char *at = json_put_reserve(w, values_text_max(dtype, n));
    expect(at, "no memory");
    json_put_done(w, values_to_text(dtype, values, n, at));
    json_end_array(w);
}

static void put_raw(struct json_writer *w, const void *values, size_t size) {
    char *text = malloc(values_base64_len(size) + 1);
    expect(text, "no memory");
    values_to_base64(values, size, text);
    json_key(w, "raw");
    json_put_string(w, text);
    free(text);
}

static void put_input(struct connection *c, struct json_writer *w, struct call *call, uint32_t i) {
    const struct port *port = image_input(call->network->image, i);
    enum dtype dtype = call->real_in ? DTYPE_FP32 : port->dtype;
    size_t size, offset = input_offset(call, i, &size);
    const uint8_t *values = (uint8_t *)c->networks->inputs.data + offset;
    if (call->network->identity && !call->real_in && call->in_form != WIRE_REGION) {
        values = unique_input(c, call, size);
        offset = 0;
    } else if (call->in_form == WIRE_FILE_DESCRIPTOR) {
        c->fds[0] = c->networks->inputs_fd;
        c->n_fds = 1;
    }
    json_begin_object(w);
    if (call->network->n_inputs > 1 || one_in(c, 2)) {
        json_key(w, "name");
        json_put_string(w, port->name);
    }
    if (call->real_in || one_in(c, 2)) {
        json_key(w, "datatype");
        json_put_string(w, dtype_name(dtype));
    }
    bool sized = one_in(c, 2);
    if (!sized || one_in(c, 2))
        put_shape(w, port, call->batch, call->batch > 1 && one_in(c, 2));
    if (call->in_form == WIRE_DATA) {
        put_data(w, dtype, values, size);
    } else if (call->in_form == WIRE_RAW) {
        put_raw(w, values, size);
    } else {
        json_key(w, wire_form_name(call->in_form));
        if (call->in_form == WIRE_REGION)
            json_put_string(w, c->in_region);
        else
            json_put_int(w, 0);
        if (offset || one_in(c, 2)) {
            json_key(w, "offset");
            json_put_uint(w, offset);
        }
        if (sized) {
            json_key(w, "size");
            json_put_uint(w, size);
        }
    }
    json_end_object(w);
}

static void put_wishes(struct connection *c, struct json_writer *w, const struct call *call) {
    if (call->last_only) {
        uint32_t last = call->network->n_outputs - 1;
        json_key(w, "outputs");
        json_begin_array(w);
        json_put_string(w, image_output(call->network->image, last)->name);
        json_end_array(w);
    }
    if (call->in_session) {
        json_key(w, "session");
        json_put_string(w, c->session_name);
    }
    if (call->out_form != WIRE_DATA || one_in(c, 2)) {
        json_key(w, "outputForm");
        json_put_string(w, wire_form_name(call->out_form));
    }
    if (call->real_out) {
        json_key(w, "outputDatatype");
        json_put_string(w, "FP32");
    }
    if (call->out_form == WIRE_REGION) {
        json_key(w, "outputRegion");
        json_put_string(w, c->out_region);
        json_key(w, "outputOffset");
        json_put_uint(w, ALIGN_UP(call->slot, 8));
    }
}

void connection_write_call(struct connection *c, struct call *call) {
    struct json_writer w;
    message_begin_call(&w, &c->burst, "io.edged.Infer", false, false);
    json_key(&w, "model");
    json_put_string(&w, call->network->name);
    json_key(&w, "inputs");
    json_begin_array(&w);
    for (uint32_t i = 0; i < call->network->n_inputs; i++)
        put_input(c, &w, call, i);
    json_end_array(&w);
    put_wishes(c, &w, call);
    expect(message_end(&w) == 0, "the call is too long");
    if (call->in_session) {
        free(call->expected);
        run_in_session(c, call);
    }
}

static void expect_values(const struct call *call, enum dtype dtype, const void *got,
                          const void *want, size_t size) {
    bool same = memcmp(got, want, size) == 0;
    if (!same && dtype == DTYPE_FP32) {
        const float *a = got, *b = want;
        size_t n = size / sizeof(float);
        float largest = 0;
        for (size_t i = 0; i < n; i++)
            largest = fmaxf(largest, fabsf(b[i]));
        same = true;
        for (size_t i = 0; i < n; i++)
            same = same && fabs((double)a[i] - (double)b[i]) <= FLOAT_BOUND * (double)largest;
    }
    expect(same, "%s: a wrong answer (batch %u, %s in, %s out%s%s%s)", call->network->name,
           call->batch, wire_form_name(call->in_form), wire_form_name(call->out_form),
           call->real_in ? ", FP32 in" : "", call->real_out ? ", FP32 out" : "",
           call->in_session ? ", in a session" : "");
}

/* Checks where an output is and returns its values; *ret_free or *ret_map is theirs. */
static const void *output_values(struct connection *c, const struct call *call,
                                 struct wire_tensor *t, size_t size, size_t region_offset,
                                 void **ret_free, struct map *ret_map) {
    const char *name = call->network->name;
    struct diag diag = {""};
    size_t n = 0;
    if (t->form == WIRE_REGION) {
        expect(strcmp(t->region, c->out_region) == 0 && t->offset == region_offset,
               "%s: outputs in %s at %llu, expected at %zu", name, t->region,
               (unsigned long long)t->offset, region_offset);
        expect(t->has_size && t->size == size, "%s: outputs of another size", name);
        return (uint8_t *)c->out.data + t->offset;
    }
    if (t->form == WIRE_FILE_DESCRIPTOR) {
        const struct frame_fds *fds = &c->caller.message.fds;
        expect(t->descriptor == 0 && fds->n == 1, "%s: not one descriptor with the reply", name);
        expect(t->has_size && t->size == size, "%s: outputs of another size", name);
        expect(map_sealed(fds->fds[0], t->offset + size, ret_map) == 0, "%s: no map", name);
        return (uint8_t *)ret_map->data + t->offset;
    }
    void *values = *ret_free = malloc(size + 8);
    expect(values, "no memory");
    int r = t->form == WIRE_DATA
                ? values_from_text(t->text, t->text_len, t->dtype, true,
                                   size / dtype_size(t->dtype), values, &diag)
                : values_from_base64(t->text, t->text_len, values, size, &n, &diag);
    expect(r == 0 && (t->form == WIRE_DATA || n == size), "%s: bad output: %s", name, diag.text);
    return values;
}

/* Checks output `o` against its tensor in the reply. Returns its bytes. */
static size_t check_output(struct connection *c, const struct call *call, uint32_t o,
                           const cJSON *json, size_t region_offset) {
    const struct network *network = call->network;
    const struct port *port = image_output(network->image, o);
    struct wire_tensor t;
    struct wire_fault fault;
    expect(wire_tensor_read(&c->caller.doc, json, "outputs", false, &t, &fault) == 0, "%s: %s: %s",
           network->name, fault.field, fault.diag.text);
    enum dtype dtype = call->real_out ? DTYPE_FP32 : port->dtype;
    size_t n = port->size / dtype_size(port->dtype), elements;
    size_t size = call->batch * n * dtype_size(dtype);
    expect(t.name && strcmp(t.name, port->name) == 0, "%s: another output: %s", network->name,
           t.name);
    expect(t.form == call->out_form && t.dtype == dtype, "%s: %s %s where %s %s was asked for",
           network->name, dtype_name(t.dtype), wire_form_name(t.form), dtype_name(dtype),
           wire_form_name(call->out_form));
    expect(wire_tensor_elements(&t, &elements) && elements == call->batch * n,
           "%s: outputs of another shape", network->name);

    _cleanup_(map_deinit) struct map map = {0};
    void *owned = NULL, *real = NULL;
    const void *got = output_values(c, call, &t, size, region_offset, &owned, &map);
    const void *want = network->outputs[o] + call->first * port->size;
    if (call->expected)
        want = call->expected;
    else if (call->real_out)
        want = network->real_outputs[o] + call->first * n;
    if (call->expected && call->real_out) {
        want = real = malloc(size);
        expect(real && port_dequantize(port, call->expected, call->batch * n, real) == 0,
               "no real values");
    }
    expect_values(call, dtype, got, want, size);
    free(real);
    free(owned);
    return size;
}

void connection_check_reply(struct connection *c, const struct call *call) {
    const struct network *network = call->network;
    expect(!c->caller.reply.error, "%s: %s: %.500s", network->name, c->caller.reply.error,
           (const char *)c->caller.message.text.data);
    expect(strcmp(caller_string(&c->caller, "model"), network->name) == 0,
           "the answer of %s where that of %s is due", caller_string(&c->caller, "model"),
           network->name);
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(c->caller.reply.parameters, "outputs");
    uint32_t first = call->last_only ? network->n_outputs - 1 : 0;
    expect(cJSON_GetArraySize(outputs) == (int)(network->n_outputs - first), "%s: %d outputs",
           network->name, cJSON_GetArraySize(outputs));
    size_t offset = ALIGN_UP(call->slot, 8);
    uint32_t o = first;
    const cJSON *json;
    cJSON_ArrayForEach(json, outputs) {
        offset += check_output(c, call, o++, json, offset);
        offset = ALIGN_UP(offset, 8);
    }
}
