/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The methods and the functions that serve them. Loop thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

struct param;
struct request;

enum method_flags {
    METHOD_WORKS = 1 << 0,   /* takes a worker: needs a slot first */
    METHOD_BARRIER = 1 << 1, /* later calls of the connection see its effect: they wait for it */
    METHOD_ADMIN = 1 << 2,   /* for administrators only */
};

/*
 * A handler either writes the reply and returns 0, or submits the request's job, whose done() calls peer_answer(), and
 * returns METHOD_SUBMITTED. A negative errno becomes io.edged.Internal.
 */
enum {
    METHOD_SUBMITTED = 1,
};

struct method {
    const char *name; /* "io.edged.List" */
    unsigned flags;
    int (*handle)(struct request *request);
};

/* NULL for an unknown one. */
const struct method *dispatch_find(const char *name);
/* Serves a parsed request, which has its slot if it needs one. True: the reply is written. False: it will come. */
_nodiscard_ bool dispatch(struct request *request);
/* Reads the parameters into `ret`; on failure replies InvalidParameter and returns false. */
_nodiscard_ bool dispatch_params(struct request *request, const struct param *table, size_t n_table,
                                 void *ret);

/* The handlers. */
int infer_handle(struct request *request);
int load_handle(struct request *request);
int models_list(struct request *request);
int models_describe(struct request *request);
int models_unload(struct request *request);
int regions_register(struct request *request);
int regions_unregister(struct request *request);
int sessions_open(struct request *request);
int sessions_close(struct request *request);
int service_get_info(struct request *request);
int service_get_description(struct request *request);
int status_status(struct request *request);
int status_metrics(struct request *request);
