/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer on a worker: values in, network, values out, reply. Touches the request, its references and the worker only;
 * items of a batch may be run by other workers meanwhile.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "daemon/infer.h"
#include "daemon/regions.h"
#include "daemon/registry.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/sessions.h"
#include "daemon/shared.h"
#include "daemon/split.h"
#include "daemon/worker.h"
#include "proto/message.h"
#include "proto/values.h"
#include "runtime/runtime.h"

/* The run at hand: on the worker's stack. */
struct run {
    struct request *request;
    struct infer *infer;
    struct worker *worker;
    char *work; /* the worker's memory for values */
    struct map maps[GRAPH_MAX_IO];
    const void *inputs[GRAPH_MAX_IO];
    void *outputs[GRAPH_MAX_IO];
    struct map out; /* a memfd being filled */
    int out_fd;
    struct split split;
};

/* The values of a tensor are not what they should be. */
static int refuse(const struct run *run, const struct infer_input *in, const char *reason) {
    char field[WIRE_MAX_FIELD];
    snprintf(field, sizeof(field), "%s.%s", in->path, wire_form_name(in->wire.form));
    reply_invalid_tensor(run->request, in->port->name, field, reason);
    return INFER_E_REPLIED;
}

/* Makes *ret_values point at an input's values in the datatype they came in. */
static int decode(struct run *run, struct infer_input *in, struct map *map,
                  const void **ret_values) {
    const struct wire_tensor *w = &in->wire;
    void *copy = run->work + in->at;
    struct diag diag;
    size_t size = in->bytes;
    int r = 0;
    switch (w->form) {
    case WIRE_DATA:
        r = values_from_text(w->text, w->text_len, in->dtype, false,
                             in->bytes / dtype_size(in->dtype), copy, &diag);
        break;
    case WIRE_RAW:
        r = values_from_base64(w->text, w->text_len, copy, in->bytes, &size, &diag);
        if (!r && size != in->bytes)
            r = diag_set(&diag, 1, "%zu bytes where %zu are needed", size, in->bytes);
        break;
    case WIRE_REGION:
        *ret_values = (const char *)in->region->map.data + w->offset;
        return 0;
    case WIRE_FILE_DESCRIPTOR:
        r = shared_open(run->request->message.fds.fds[w->descriptor], w->offset, in->bytes, copy,
                        map, ret_values, &diag);
        return r > 0 ? refuse(run, in, diag.text) : r;
    }
    *ret_values = copy;
    return r > 0 ? refuse(run, in, diag.text) : r;
}

static int decode_inputs(struct run *run) {
    struct infer *infer = run->infer;
    for (uint32_t i = 0; i < infer->n_inputs; i++) {
        struct infer_input *in = &infer->inputs[i];
        int r = decode(run, in, &run->maps[i], &run->inputs[i]);
        if (r)
            return r;
        if (in->dtype == in->port->dtype)
            continue;
        void *quantized = run->work + in->quantized_at;
        r = port_quantize(in->port, in->dtype, run->inputs[i], in->bytes / dtype_size(in->dtype),
                          quantized);
        if (r)
            return err_fold(r);
        run->inputs[i] = quantized;
    }
    return 0;
}

/* The memory that outputs go to when they do not travel in the reply. */
static char *shared_base(const struct run *run) {
    return run->infer->form == WIRE_REGION ? run->infer->region->map.data : run->out.data;
}

static int prepare_outputs(struct run *run) {
    struct infer *infer = run->infer;
    if (infer->form == WIRE_FILE_DESCRIPTOR) {
        int r = memfd_new("edged-output", MAX(infer->out_bytes, (size_t)1), &run->out_fd);
        if (!r)
            r = map_shared(run->out_fd, MAX(infer->out_bytes, (size_t)1), &run->out);
        if (r)
            return err_trace(r);
    }
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        struct infer_output *out = &infer->outputs[i];
        bool direct =
            out->wanted && !out->real && infer->form != WIRE_DATA && infer->form != WIRE_RAW;
        run->outputs[i] = direct ? shared_base(run) + out->offset : run->work + out->at;
    }
    return 0;
}

/* On whoever takes the item: everything it needs of the run is read-only by now. */
static int run_item(struct split *split, uint32_t item, void *arena) {
    struct run *run = container_of(split, struct run, split);
    const struct infer *infer = run->infer;
    struct session *session = infer->session ? infer->session->state : NULL;
    const void *inputs[GRAPH_MAX_IO];
    void *outputs[GRAPH_MAX_IO];
    for (uint32_t i = 0; i < infer->n_inputs; i++)
        inputs[i] = (const char *)run->inputs[i] + item * infer->inputs[i].port->size;
    for (uint32_t i = 0; i < infer->n_outputs; i++)
        outputs[i] = (char *)run->outputs[i] + item * infer->outputs[i].port->size;
    return image_run(infer->model->image, session, 1, inputs, outputs, arena,
                     &run->request->job.stop);
}

/* The items of a session are consecutive steps. */
static int compute(struct run *run) {
    struct infer *infer = run->infer;
    uint64_t began = clock_now_ns();
    run->split = (struct split){
        .run = run_item,
        .n_items = infer->batch,
        .arena_bytes = image_arena_bytes(infer->model->image),
        .in_order = infer->session,
        .item_ns = infer->item_ns,
    };
    int r = split_run(&run->split, run->worker);
    infer->compute_ns = clock_now_ns() - began;
    infer->item_ns = run->split.busy_ns / infer->batch;
    if (r)
        return r == RUNTIME_E_STOPPED ? INFER_E_STOPPED : err_fold(r);
    return 0;
}

/* Real values of the outputs that were asked for so. */
static int convert_outputs(struct run *run) {
    struct infer *infer = run->infer;
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        struct infer_output *out = &infer->outputs[i];
        if (!out->real)
            continue;
        bool in_reply = infer->form == WIRE_DATA || infer->form == WIRE_RAW;
        void *real = in_reply ? run->work + out->real_at : shared_base(run) + out->offset;
        int r = port_dequantize(out->port, run->outputs[i],
                                out->bytes / dtype_size(out->port->dtype), real);
        if (r)
            return err_fold(r);
        run->outputs[i] = real;
    }
    return 0;
}

static void write_output(struct run *run, struct json_writer *w, uint32_t i) {
    const struct infer *infer = run->infer;
    const struct infer_output *out = &infer->outputs[i];
    const struct port *port = out->port;
    int64_t dims[GRAPH_MAX_DIMS + 1];
    uint8_t n = 0;
    if (port->n_dims == 0)
        dims[n++] = infer->batch;
    for (uint8_t d = 0; d < port->n_dims; d++)
        dims[n++] = d == 0 ? (int64_t)port->dims[d] * infer->batch : port->dims[d];
    wire_tensor_write(w, &(struct wire_values){
                             .name = port->name,
                             .dtype = out->real ? DTYPE_FP32 : port->dtype,
                             .n_dims = n,
                             .dims = dims,
                             .form = infer->form,
                             .values = run->outputs[i],
                             .size = out->sent_bytes,
                             .region = infer->region_name,
                             .offset = out->offset,
                         });
}

static int write_reply(struct run *run) {
    const struct infer *infer = run->infer;
    struct json_writer w;
    reply_begin(run->request, &w);
    json_key(&w, "model");
    json_put_string(&w, infer->model->name);
    json_key(&w, "version");
    json_put_string(&w, image_version(infer->model->image));
    json_key(&w, "outputs");
    json_begin_array(&w);
    for (uint32_t i = 0; i < infer->n_wanted; i++)
        write_output(run, &w, infer->order[i]);
    json_end_array(&w);
    json_key(&w, "queueNanoseconds");
    json_put_uint(&w, run->request->job.queue_ns);
    json_key(&w, "computeNanoseconds");
    json_put_uint(&w, infer->compute_ns);
    int r = message_end(&w);
    if (r)
        run->request->reply.len = 0; /* no part of it may be sent */
    return err_trace(r);
}

/* Hands the filled memfd over, read-only from now on. */
static int seal_output(struct run *run) {
    if (run->out_fd < 0)
        return 0;
    map_deinit(&run->out);
    int r = memfd_seal_image(run->out_fd);
    if (r)
        return err_trace(r);
    run->request->reply_fd = run->out_fd;
    run->out_fd = -1;
    return 0;
}

static int execute(struct run *run) {
    run->work = worker_scratch(run->worker, run->infer->work_bytes);
    if (!run->work)
        return err_origin(-ENOMEM);
    int r = decode_inputs(run);
    if (!r)
        r = prepare_outputs(run);
    if (!r)
        r = compute(run);
    if (!r)
        r = convert_outputs(run);
    if (!r)
        r = write_reply(run);
    return r ? r : seal_output(run);
}

void infer_work(struct job *job, struct worker *worker) {
    struct request *request = container_of(job, struct request, job);
    struct run run = {.request = request, .infer = request->op, .worker = worker, .out_fd = -1};
    run.infer->code = execute(&run);
    for (uint32_t i = 0; i < run.infer->n_inputs; i++)
        map_deinit(&run.maps[i]);
    map_deinit(&run.out);
    fd_close(run.out_fd);
    /* Before the answer is sent: a client that has it finds its descriptors closed. */
    frame_fds_reset(&request->message.fds);
}
