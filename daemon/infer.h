/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One Infer call: checked and charged on the loop (infer.c, infer-check.c), decoded, computed and encoded on a worker
 * (infer-run.c). Private to these files but for infer_session().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/dtype.h"
#include "model/graph.h"
#include "proto/tensor.h"

struct job;
struct model;
struct port;
struct region;
struct request;
struct session_entry;
struct worker;

#define INFER_ALIGN ((size_t)64) /* of every value array in a worker's memory */
#define INFER_OUTPUT_ALIGN 8     /* of outputs in regions and memfds */

struct infer_input {
    struct wire_tensor wire;
    const struct port *port;
    enum dtype dtype;      /* of the values as they come */
    struct region *region; /* a reference; REGION only */
    size_t bytes;          /* of the values as they come */
    size_t at;             /* where they are decoded to in the worker's memory */
    size_t quantized_at;   /* where they are converted to, if dtype is not the port's */
    char path[16];         /* "inputs[12]" */
};

struct infer_output {
    const struct port *port;
    bool wanted;
    bool real;         /* wanted as FP32 though the network has integers */
    size_t bytes;      /* as the network writes it */
    size_t sent_bytes; /* as the client gets it */
    size_t at;         /* in the worker's memory: the network's values */
    size_t real_at;    /* and the real ones */
    uint64_t offset;   /* in the region or memfd */
};

/* In the request's arena. */
struct infer {
    /* The parameters. */
    const char *model_name, *session_name, *form_name, *dtype_name, *region_name;
    const struct cJSON *inputs_json, *outputs_json;
    int64_t region_offset;

    struct model *model;           /* a reference */
    struct session_entry *session; /* a reference; NULL: none */
    uint32_t batch;                /* 0: not known yet */
    struct infer_input *inputs;    /* by the network's order */
    struct infer_output *outputs;
    uint32_t n_inputs, n_outputs;
    uint32_t *order; /* wanted outputs, in the order of the reply */
    uint32_t n_wanted;
    enum wire_form form;
    struct region *region; /* a reference; REGION only */
    size_t out_bytes;      /* of all outputs in a region or memfd */
    size_t work_bytes;     /* of the worker's memory */
    uint64_t item_ns;      /* what an item will take, 0: not known; afterwards, what it took */
    uint64_t compute_ns;   /* that the network ran */
    int code;              /* how it went: 0, INFER_E_…, or a negative errno */
    bool pending;          /* counts in the model's n_pending */
};

enum {
    INFER_E_REPLIED = 1, /* refused: the reply is written */
    INFER_E_STOPPED = 2,
};

/* The session a submitted or finished request belongs to; NULL: none. */
struct session_entry *infer_session(const struct request *request);

/* infer-check.c: each 0, INFER_E_REPLIED or a negative errno. */
_nodiscard_ int infer_read_inputs(struct request *request, struct infer *infer);
_nodiscard_ int infer_read_outputs(struct request *request, struct infer *infer);
/* infer-run.c */
void infer_work(struct job *job, struct worker *worker);
