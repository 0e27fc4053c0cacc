/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * libedge: the client library of edged, the inference daemon. libedge(3) has a tour, example.c a whole program.
 *
 * Results. Functions that return int give 0 for success; a negative errno where the connection or this process failed;
 * or a positive EDGE_E_* where the daemon answered with an error. edge_error_text() then has a sentence that names the
 * field at fault. After -ENOTCONN, -ECONNRESET, -EPIPE, -EPROTO, -EMSGSIZE or -ETIMEDOUT of any call the connection is
 * of no more use: every further call gives -ENOTCONN; close it and connect anew. Results are stored only on success.
 *
 * Threads. A connection, and what was made from it, belongs to one thread at a time; different connections are
 * independent. The daemon answers the calls of one connection in their order: for concurrency use several. The library
 * keeps no global state, installs no signal handler, starts no thread and reads no environment variable.
 *
 * NULL for a name, a path or a method that has to be given is -EINVAL; for a connection it is not allowed.
 *
 * Units. Sizes and offsets are bytes, times nanoseconds unless the name says otherwise. Strings are UTF-8.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGE_DEFAULT_SOCKET "/run/edged/io.edged"
#define EDGE_MAX_DIMS 8
#define EDGE_MAX_TENSORS 64      /* inputs or outputs of one call */
#define EDGE_MAX_IN_FLIGHT 65536 /* calls sent and not yet received */

struct edge;         /* a connection */
struct edge_session; /* the state of a streaming network from call to call */
struct edge_region;  /* memory shared with the daemon */

/* What the daemon may answer instead of a result. */
enum edge_error {
    EDGE_E_MODEL_NOT_FOUND = 1,
    EDGE_E_MODEL_EXISTS = 2,
    EDGE_E_INVALID_MODEL = 3,  /* the file is no network the daemon can run */
    EDGE_E_INVALID_TENSOR = 4, /* a tensor does not fit the network */
    /* the call as such: a field is unknown, missing or of the wrong kind */
    EDGE_E_INVALID_PARAMETER = 5,
    EDGE_E_INVALID_REGION = 6,
    EDGE_E_REGION_NOT_FOUND = 7,
    EDGE_E_SESSION_NOT_FOUND = 8,
    EDGE_E_QUOTA_EXCEEDED = 9,
    EDGE_E_STOPPING = 10,
    EDGE_E_PERMISSION_DENIED = 11,
    EDGE_E_METHOD_NOT_FOUND = 12, /* an older daemon */
    EDGE_E_INTERNAL = 13,         /* the daemon failed; its log says how */
    EDGE_E_OTHER = 14,            /* an error this library does not know; the text has its name */
};

/* Element types of tensors. */
enum edge_datatype {
    EDGE_DATATYPE_OWN = 0, /* the network's own */
    EDGE_FP32 = 1,
    EDGE_INT8 = 2,
    EDGE_UINT8 = 3,
    EDGE_INT16 = 4,
    EDGE_INT32 = 5,
    EDGE_INT64 = 6,
    EDGE_BOOL = 7,
    EDGE_FP64 = 8,
};

/* Bytes per element; 0 for EDGE_DATATYPE_OWN and anything that is not a datatype. */
size_t edge_datatype_size(enum edge_datatype datatype);
/* "FP32", …; NULL for EDGE_DATATYPE_OWN and anything that is not a datatype. */
const char *edge_datatype_name(enum edge_datatype datatype);

/*
 * Connection
 */

/* Connects to the daemon's socket; `path` NULL is EDGE_DEFAULT_SOCKET, a path that begins with '@' is an abstract one.
 * Blocks. The caller closes *ret_edge with edge_close(). Negative errno only: -ENOENT and -ECONNREFUSED mean that no
 * daemon runs there, -EACCES that this user may not use it, -ENAMETOOLONG. */
int edge_connect(const char *path, struct edge **ret_edge);
/* The same over a connected stream socket of the caller's, which belongs to the connection on success. -ENOMEM, -EBADF. */
int edge_connect_fd(int fd, struct edge **ret_edge);
/* Ends the connection, its sessions and its regions: pointers to them and into them are of no more use. Accepts NULL;
 * returns NULL. */
struct edge *edge_close(struct edge *edge);
/* How long a blocking call waits for the daemon before it gives -ETIMEDOUT, in milliseconds; 0, the default, is for
 * ever. */
void edge_set_timeout(struct edge *edge, unsigned milliseconds);
/* What the last failed call of this connection was about, a sentence; "" before the first. Valid until the next call. */
const char *edge_error_text(const struct edge *edge);

/*
 * Inference
 */

/* One input or output. */
struct edge_tensor {
    const char *name; /* input: NULL where the network has only one. Output: set by the library */
    /* Input: of `data`; FP32 to an integer network is quantized by the daemon. */
    enum edge_datatype datatype;
    unsigned n_dims; /* input: 0 leaves the shape, and the batch, to the daemon */
    /* As declared, or N times as long in its first axis for a batch of N. */
    int64_t shape[EDGE_MAX_DIMS];
    void *data;  /* row major. Input: only read. Output: see edge_infer() */
    size_t size; /* bytes of data */
};

struct edge_request {
    const char *model;
    const struct edge_tensor *inputs; /* every declared input once, in any order */
    size_t n_inputs;
    const char *const *outputs; /* names of the wanted outputs; NULL: all */
    size_t n_outputs;
    /* Items are consecutive steps of it; NULL: each item starts afresh. */
    struct edge_session *session;
    bool real; /* outputs in FP32, dequantized, instead of the network's own datatypes */
    /* The daemon writes the outputs there; NULL: they come in the reply. */
    struct edge_region *region;
    size_t offset; /* where in the region, a multiple of 8; each further output at the next one */
};

/* Times of one answered request. */
struct edge_timing {
    uint64_t queue_ns;   /* it waited for a worker */
    uint64_t compute_ns; /* the network ran */
};

/*
 * Runs a network and waits for the result. An input whose `data` lies in a region of this connection is not copied;
 * others are sent with the call.
 *
 * `outputs` has room for *n_outputs tensors, which becomes their number. An output tensor whose `data` is set by the
 * caller is filled there: `size` says how much room there is, and becomes what was used; too little is -ENOBUFS. One
 * whose `data` is NULL gets a pointer to memory of the library, valid until the next call on this connection, or into
 * `request->region`, valid as long as that. Names are valid until the next call. `ret_timing` may be NULL.
 *
 * -E2BIG for a call of more than 16 MiB: put its inputs into a region.
 * -ENOBUFS also where there are more outputs than room. -EINVAL for a request that contradicts itself. -EBUSY while
 * sent requests wait to be received. EDGE_E_*.
 */
int edge_infer(struct edge *edge, const struct edge_request *request, struct edge_tensor *outputs,
               size_t *n_outputs, struct edge_timing *ret_timing);

/*
 * The two halves of edge_infer(), to keep several requests under way. edge_infer_send() does not wait: what the socket
 * does not take at once is kept and sent by edge_process() or by any call that waits. Data of inputs is copied unless
 * it lies in a region, which must then not change until the result is there. -EAGAIN: EDGE_MAX_IN_FLIGHT requests or
 * too many bytes are under way; receive some first.
 */
int edge_infer_send(struct edge *edge, const struct edge_request *request);
/* The result of the oldest request that was sent and not yet received; waits for it. -ENODATA where there is none. An
 * error of the daemon, EDGE_E_*, is that request's result; later ones are not affected. */
int edge_infer_receive(struct edge *edge, struct edge_tensor *outputs, size_t *n_outputs,
                       struct edge_timing *ret_timing);

/* For programs with their own event loop: wait until edge_fd() is ready for edge_events() (POLLIN, POLLOUT), call
 * edge_process(), then edge_infer_receive() as long as edge_ready() says so. */
int edge_fd(const struct edge *edge); /* stays the library's */
short edge_events(const struct edge *edge);
/* Sends and receives what is possible without waiting. 0 or a negative errno. */
int edge_process(struct edge *edge);
/* How many results edge_infer_receive() gives without waiting; and how many requests are sent and not yet received. */
size_t edge_ready(const struct edge *edge);
size_t edge_in_flight(const struct edge *edge);

/*
 * Sessions: networks that keep something from step to step
 */

/* The state starts at its initial value. */
int edge_session_open(struct edge *edge, const char *model, struct edge_session **ret_session);
/* The handle is gone whatever is returned. Accepts NULL. */
int edge_session_close(struct edge_session *session);

/*
 * Regions: tensors that are not copied through the socket
 */

/* Makes shared memory, all zeros, and registers it. -ENOMEM, -ENOSPC, EDGE_E_QUOTA_EXCEEDED. */
int edge_region_new(struct edge *edge, size_t size, struct edge_region **ret_region);
/* The same, but the daemon makes the memory: it is charged there, and need not be checked by it. */
int edge_region_request(struct edge *edge, size_t size, struct edge_region **ret_region);
/* Where it is in this process, aligned to a page; and its size. */
void *edge_region_data(const struct edge_region *region);
size_t edge_region_size(const struct edge_region *region);
/* Unregisters and unmaps it. The handle is gone whatever is returned. Accepts NULL. */
int edge_region_free(struct edge_region *region);

/*
 * Networks
 */

struct edge_loaded {
    char model[256]; /* the name it is loaded under */
    char version[256];
    int64_t bytes;   /* of its image in the daemon */
    int64_t load_ns; /* reading and compiling took */
};

/* Load a network under `name`, or its own where that is NULL. The daemon must be able to read the path, an absolute
 * one; a descriptor only needs to be readable here, and stays the caller's. `ret_loaded` may be NULL. */
int edge_load_path(struct edge *edge, const char *path, const char *name,
                   struct edge_loaded *ret_loaded);
int edge_load_fd(struct edge *edge, int fd, const char *name, struct edge_loaded *ret_loaded);
int edge_unload(struct edge *edge, const char *name);

/* A loaded network and its use since it was loaded. */
struct edge_model_info {
    const char *name, *version, *description;
    int64_t bytes;                  /* of the image that all workers share */
    int64_t arena_bytes;            /* scratch of one run */
    int64_t state_bytes;            /* of one session; 0 for a network without state */
    int64_t sessions;               /* open ones */
    int64_t pending;                /* requests that wait or are computed */
    int64_t requests;               /* answered with a result */
    int64_t failures;               /* answered with an error */
    int64_t items;                  /* runs, each item of a batch */
    int64_t p50_ns, p90_ns, p99_ns; /* compute time of a request */
    int64_t queue_ns, compute_ns;   /* of all requests together */
    int64_t load_ns;                /* reading and compiling took */
};

struct edge_list {
    size_t n;
    struct edge_model_info *models; /* sorted by name */
};

/* The caller frees *ret_list, with all it points to. */
int edge_list(struct edge *edge, struct edge_list **ret_list);
struct edge_list *edge_list_free(struct edge_list *list); /* accepts NULL; returns NULL */

/* A declared input or output. */
struct edge_port {
    const char *name;
    enum edge_datatype datatype;
    unsigned n_dims;
    int64_t shape[EDGE_MAX_DIMS];
    size_t size;  /* bytes of one run */
    double scale; /* real value = scale * (stored - zero_point); 0: not quantized */
    int64_t zero_point;
};

/* One step of the compiled network. */
struct edge_layer {
    const char *op, *kernel;
    const char *fused; /* operators computed along with it, "" for none */
    const char *why;   /* this kernel, and which operators cost nothing; may be "" */
    unsigned n_dims;
    int64_t shape[EDGE_MAX_DIMS]; /* of its output */
    int64_t macs, weight_bytes;
};

struct edge_model {
    struct edge_model_info info;
    const char *licence;
    const char *tier; /* the instruction set it was compiled for */
    bool frontend;    /* its first input is sound or a picture rather than features */
    const struct edge_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    const char *const *labels; /* of the elements of the first output */
    size_t n_labels;
    const struct edge_layer *layers;
    size_t n_layers;
};

/* The caller frees *ret_model, with all it points to. */
int edge_describe(struct edge *edge, const char *name, struct edge_model **ret_model);
struct edge_model *edge_model_free(struct edge_model *model); /* accepts NULL; returns NULL */

/*
 * The daemon
 */

struct edge_status {
    const char *version; /* of the daemon */
    const char *status;  /* one line for people */
    const char *tier;    /* instruction set in use */
    int64_t workers, models, model_bytes;
    int64_t connections, sessions, regions;
    int64_t queued, queue_length, running;
    int64_t requests;
    int64_t uptime_s;
};

/* The caller frees *ret_status. */
int edge_status(struct edge *edge, struct edge_status **ret_status);
struct edge_status *edge_status_free(struct edge_status *status); /* accepts NULL; returns NULL */
/* The daemon's metrics in the Prometheus text format. The caller frees *ret_text with free(3). */
int edge_metrics(struct edge *edge, char **ret_text);

/* Calls any method of the socket, "io.edged.List", with a JSON object of parameters (NULL: none) that is sent as it is.
 * -EINVAL where it is not exactly one object. *ret_parameters: the reply's, a JSON object as the daemon sent it; the
 * caller frees it with free(3). An error the daemon answers is EDGE_E_*. */
int edge_call(struct edge *edge, const char *method, const char *parameters, char **ret_parameters);

#ifdef __cplusplus
}
#endif
