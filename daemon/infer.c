/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Infer on the loop: what it needs is found, laid out and charged before a worker gets it.
 */

#include "daemon/infer.h"

#include <errno.h>

#include "base/arith.h"
#include "base/error.h"
#include "daemon/dispatch.h"
#include "daemon/peer.h"
#include "daemon/regions.h"
#include "daemon/registry.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "daemon/sessions.h"
#include "daemon/worker.h"
#include "proto/params.h"
#include "proto/values.h"
#include "runtime/runtime.h"

/* A reply's envelope, and for each output its name escaped (6 for 1), shape and keys. */
#define REPLY_FIXED 512
#define REPLY_PER_OUTPUT (6 * GRAPH_MAX_NAME + 512)

/* What reading and writing takes, at least roughly: text by the byte, values where they lie. */
#define TEXT_NS_PER_BYTE 1
#define VALUE_BYTES_PER_NS 16

static void done(struct job *job) {
    struct request *request = container_of(job, struct request, job);
    struct infer *infer = request->op;
    struct model *model = infer->model;
    model->queue_ns += job->queue_ns;
    if (infer->code == 0) {
        model->n_requests++;
        model->n_items += infer->batch;
        histogram_add(&model->compute, infer->compute_ns);
        model_ran(model, infer->item_ns);
    } else if (infer->code != INFER_E_STOPPED) {
        model->n_failures++;
    }
    if (infer->code < 0)
        reply_internal(request, infer->code);
    peer_answer(request);
}

static void op_free(struct request *request) {
    struct infer *infer = request->op;
    for (uint32_t i = 0; infer->inputs && i < infer->n_inputs; i++)
        region_unref(infer->inputs[i].region);
    region_unref(infer->region);
    if (infer->pending)
        infer->model->n_pending--;
    /* Done or cancelled: the next one of the session may run. */
    if (infer->session)
        sessions_finish(infer->session, request);
    session_entry_unref(infer->session);
    model_unref(infer->model);
}

struct session_entry *infer_session(const struct request *request) {
    return request->op_free == op_free ? ((const struct infer *)request->op)->session : NULL;
}

static int find_model(struct request *request, struct infer *infer) {
    struct model *model = registry_find(&request->server->registry, infer->model_name);
    if (!model) {
        reply_error(request, "io.edged.ModelNotFound", "model", infer->model_name);
        return INFER_E_REPLIED;
    }
    infer->model = model_ref(model);
    if (!infer->session_name)
        return 0;
    struct session_entry *session = sessions_find(request->peer, infer->session_name);
    if (!session || session->model != model) {
        reply_error(request, "io.edged.SessionNotFound", "session", infer->session_name);
        return INFER_E_REPLIED;
    }
    infer->session = session_entry_ref(session);
    return 0;
}

static bool place(struct infer *infer, size_t bytes, size_t *ret_at) {
    *ret_at = infer->work_bytes;
    return size_add(infer->work_bytes, bytes, &infer->work_bytes) &&
           size_align(infer->work_bytes, INFER_ALIGN, &infer->work_bytes);
}

/* Where each array of values will be in the worker's memory. Sizes are far from overflow: a batch of RUNTIME_MAX_BATCH
 * of the largest tensors, of all of them, is below 2^50. */
static bool lay_out(struct infer *infer) {
    bool ok = true;
    for (uint32_t i = 0; i < infer->n_inputs; i++) {
        struct infer_input *in = &infer->inputs[i];
        if (in->wire.form != WIRE_REGION)
            ok = ok && place(infer, in->bytes, &in->at);
        if (in->dtype != in->port->dtype)
            ok = ok && place(infer, in->port->size * infer->batch, &in->quantized_at);
    }
    for (uint32_t i = 0; i < infer->n_outputs; i++) {
        struct infer_output *out = &infer->outputs[i];
        bool inline_values = infer->form == WIRE_DATA || infer->form == WIRE_RAW;
        if (inline_values || out->real || !out->wanted)
            ok = ok && place(infer, out->bytes, &out->at);
        if (out->real && inline_values)
            ok = ok && place(infer, out->sent_bytes, &out->real_at);
    }
    return ok;
}

static size_t reply_bytes(const struct infer *infer) {
    size_t sum = REPLY_FIXED;
    for (uint32_t i = 0; i < infer->n_wanted; i++) {
        const struct infer_output *out = &infer->outputs[infer->order[i]];
        enum dtype dtype = out->real ? DTYPE_FP32 : out->port->dtype;
        sum += REPLY_PER_OUTPUT;
        if (infer->form == WIRE_DATA)
            sum += values_text_max(dtype, out->sent_bytes / dtype_size(dtype));
        else if (infer->form == WIRE_RAW)
            sum += values_base64_len(out->sent_bytes);
    }
    return sum;
}

/* Everything the request will hold until it is answered. */
static int charge(struct request *request, const struct infer *infer) {
    struct account *account = request->peer->account;
    enum account_resource full = ACCOUNT_BYTES;
    size_t reply = reply_bytes(infer);
    if (reply > SERVER_MAX_REPLY) {
        reply_quota(request, "replyBytes", SERVER_MAX_REPLY, reply);
        return INFER_E_REPLIED;
    }
    bool with_fd = infer->form == WIRE_FILE_DESCRIPTOR;
    /* The reply's buffer grows by doubling. */
    uint64_t bytes = request_held(request) + request->reply.cap + infer->work_bytes + 2 * reply +
                     (with_fd ? infer->out_bytes : 0);
    int r = request_charge(request, bytes);
    if (!r)
        request_prepare_reply(request, reply);
    if (!r && with_fd) {
        full = ACCOUNT_DESCRIPTORS;
        r = charge_resize(&request->descriptors, request->descriptors.amount + 1);
    }
    if (!r)
        return 0;
    reply_quota(request, account_resource_name(full), request->server->accounts.limit[full],
                account->used[full]);
    return INFER_E_REPLIED;
}

/* How long the job will take; 0 where nobody knows, or where it is no work for the loop: mapping memory may wait. */
static uint64_t expect(const struct request *request, const struct infer *infer) {
    uint64_t text = request->message.text.len;
    uint64_t values = infer->work_bytes;
    if (infer->form == WIRE_FILE_DESCRIPTOR || infer->work_bytes > WORKER_KEEP_BUSY)
        return 0;
    for (uint32_t i = 0; i < infer->n_inputs; i++) {
        if (infer->inputs[i].wire.form == WIRE_FILE_DESCRIPTOR)
            return 0;
        values += infer->inputs[i].bytes;
    }
    for (uint32_t i = 0; i < infer->n_wanted; i++) {
        const struct infer_output *out = &infer->outputs[infer->order[i]];
        values += out->sent_bytes;
        text += infer->form == WIRE_DATA ? 4 * out->sent_bytes : 0;
    }
    return infer->model->run_ns == 0 ? 0
                                     : infer->model->run_ns * infer->batch +
                                           text * TEXT_NS_PER_BYTE + values / VALUE_BYTES_PER_NS;
}

static int prepare(struct request *request, struct infer *infer) {
    int r = find_model(request, infer);
    if (!r)
        r = infer_read_inputs(request, infer);
    if (!r)
        r = infer_read_outputs(request, infer);
    if (!r && !lay_out(infer))
        r = err_origin(-EOVERFLOW);
    if (!r)
        r = charge(request, infer);
    if (r && infer->model)
        infer->model->n_failures++;
    return r;
}

int infer_handle(struct request *request) {
    static const struct param table[] = {
        {"model", PARAM_STRING, PARAM_REQUIRED, offsetof(struct infer, model_name)},
        {"inputs", PARAM_ARRAY, PARAM_REQUIRED, offsetof(struct infer, inputs_json)},
        {"outputs", PARAM_ARRAY, PARAM_OPTIONAL, offsetof(struct infer, outputs_json)},
        {"session", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct infer, session_name)},
        {"outputForm", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct infer, form_name)},
        {"outputDatatype", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct infer, dtype_name)},
        {"outputRegion", PARAM_STRING, PARAM_OPTIONAL, offsetof(struct infer, region_name)},
        {"outputOffset", PARAM_INT, PARAM_OPTIONAL, offsetof(struct infer, region_offset)},
    };
    struct infer *infer = request_alloc(request, sizeof(*infer));
    if (!infer)
        return err_origin(-ENOMEM);
    infer->region_offset = -1;
    request->op = infer;
    request->op_free = op_free;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), infer))
        return 0;
    int r = prepare(request, infer);
    if (r)
        return r < 0 ? r : 0;
    infer->model->n_pending++;
    infer->pending = true;
    request->job.work = infer_work;
    request->job.done = done;
    infer->item_ns = infer->model->run_ns;
    request->job.expected_ns = expect(request, infer);
    request->job.origin = request->peer;
    if (infer->form != WIRE_FILE_DESCRIPTOR)
        peer_allow_publish(request);
    if (infer->session)
        sessions_submit(infer->session, request);
    else
        pool_submit(&request->server->pool, &request->job);
    return METHOD_SUBMITTED;
}
