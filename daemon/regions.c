/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions. Reserving and mapping memory can take long: a worker does it.
 */

#include "daemon/regions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/dispatch.h"
#include "daemon/peer.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "daemon/shared.h"
#include "proto/params.h"

#define REGION_MAX_BYTES ((uint64_t)1 << 40) /* whatever the quota says */

uint64_t handle_number(const char *name, char letter) {
    uint64_t v = 0;
    if (name[0] != letter || name[1] < '1' || name[1] > '9')
        return 0;
    for (const char *p = name + 1; *p; p++) {
        if (*p < '0' || *p > '9' || v > UINT64_MAX / 10 - 1)
            return 0;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    return v;
}

struct region *regions_find(struct peer *peer, const char *name) {
    uint64_t number = handle_number(name, 'r');
    struct region *r = peer->regions;
    while (r && r->number != number)
        r = r->next;
    return r;
}

struct region *region_ref(struct region *region) {
    region->n_refs++;
    return region;
}

struct region *region_unref(struct region *region) {
    if (!region || --region->n_refs)
        return NULL;
    map_deinit(&region->map);
    charge_release(&region->bytes);
    charge_release(&region->charge);
    free(region);
    return NULL;
}

static void drop(struct peer *peer, struct region *region) {
    struct region **at = &peer->regions;
    while (*at != region)
        at = &(*at)->next;
    *at = region->next;
    peer->server->n_regions--;
    region_unref(region);
}

void regions_drop_all(struct peer *peer) {
    while (peer->regions)
        drop(peer, peer->regions);
}

/* A registration under way. */
struct registering {
    struct region *region;
    int64_t fd_index, size; /* -1: absent */
    bool ours;              /* the daemon makes the memory */
    int fd;                 /* ours: what the client gets */
    int code;               /* 0, SHARED_E_REFUSED, or a negative errno */
    struct diag diag;
};

static void on_worker(struct job *job, _unused_ struct worker *worker) {
    struct request *request = container_of(job, struct request, job);
    struct registering *op = request->op;
    size_t size = (size_t)op->size;
    if (op->ours) {
        op->code = memfd_new("edged-region", size, &op->fd);
        if (!op->code)
            op->code = memfd_seal_region(op->fd);
        if (!op->code)
            op->code = map_shared(op->fd, size, &op->region->map);
        if (op->code == -ENOSPC || op->code == -ENOMEM || op->code == -EFBIG)
            op->code = diag_set(&op->diag, SHARED_E_REFUSED, "no memory for %zu bytes", size);
    } else {
        op->code = shared_map_region(request->message.fds.fds[op->fd_index], size, &op->region->map,
                                     &op->diag);
    }
}

static void reply_registered(struct request *request, const struct registering *op) {
    struct json_writer w;
    char name[32];
    snprintf(name, sizeof(name), "r%llu", (unsigned long long)op->region->number);
    reply_begin(request, &w);
    json_key(&w, "region");
    json_put_string(&w, name);
    json_key(&w, "size");
    json_put_uint(&w, op->region->map.size);
    if (op->ours) {
        json_key(&w, "fileDescriptor");
        json_put_uint(&w, 0);
    }
    reply_end(request, &w);
}

static void on_done(struct job *job) {
    struct request *request = container_of(job, struct request, job);
    struct registering *op = request->op;
    struct peer *peer = request->peer;
    if (op->code > 0) {
        reply_error(request, "io.edged.InvalidRegion", "reason", op->diag.text);
    } else if (op->code < 0) {
        reply_internal(request, op->code);
    } else if (peer) {
        struct region *region = region_ref(op->region);
        region->number = ++peer->n_regions_ever;
        region->next = peer->regions;
        peer->regions = region;
        peer->server->n_regions++;
        reply_registered(request, op);
        request->reply_fd = op->fd;
        op->fd = -1;
    }
    peer_answer(request);
}

static void op_free(struct request *request) {
    struct registering *op = request->op;
    region_unref(op->region);
    fd_close(op->fd);
}

/* Charges and prepares. False: the reply is written. */
static bool prepare(struct request *request, struct registering *op) {
    struct account *account = request->peer->account;
    enum account_resource full = ACCOUNT_REGIONS;
    int r = charge_take(&op->region->charge, account, ACCOUNT_REGIONS, 1);
    if (!r) {
        full = ACCOUNT_BYTES;
        r = charge_take(&op->region->bytes, account, ACCOUNT_BYTES, (uint64_t)op->size);
    }
    if (!r && op->ours) {
        full = ACCOUNT_DESCRIPTORS;
        r = charge_resize(&request->descriptors, request->descriptors.amount + 1);
    }
    if (r)
        reply_quota(request, account_resource_name(full), request->server->accounts.limit[full],
                    account->used[full]);
    return !r;
}

/* Which memory: the client's, of the size it has, or one to be made. False: the reply is written. */
static bool choose(struct request *request, struct registering *op) {
    struct diag diag;
    if (op->fd_index < 0) {
        op->ours = true;
        if (op->size <= 0 || (uint64_t)op->size > REGION_MAX_BYTES) {
            reply_invalid_parameter(request, "size");
            return false;
        }
        return true;
    }
    if (op->size >= 0) {
        reply_invalid_parameter(request, "size");
        return false;
    }
    if ((uint64_t)op->fd_index >= request->message.fds.n) {
        reply_invalid_parameter(request, "fileDescriptor");
        return false;
    }
    uint64_t size;
    if (shared_check(request->message.fds.fds[op->fd_index], &size, &(unsigned){0}, &diag)) {
        reply_error(request, "io.edged.InvalidRegion", "reason", diag.text);
        return false;
    }
    op->size = (int64_t)size;
    return true;
}

int regions_register(struct request *request) {
    static const struct param table[] = {
        {"fileDescriptor", PARAM_INT, PARAM_OPTIONAL, offsetof(struct registering, fd_index)},
        {"size", PARAM_INT, PARAM_OPTIONAL, offsetof(struct registering, size)},
    };
    struct registering *op = request_alloc(request, sizeof(*op));
    if (!op)
        return err_origin(-ENOMEM);
    op->fd = op->fd_index = op->size = -1;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), op) || !choose(request, op))
        return 0;
    op->region = calloc(1, sizeof(*op->region));
    if (!op->region)
        return err_origin(-ENOMEM);
    op->region->n_refs = 1;
    request->op = op;
    request->op_free = op_free;
    if (!prepare(request, op))
        return 0;
    request->job.work = on_worker;
    request->job.done = on_done;
    pool_submit(&request->server->pool, &request->job);
    return METHOD_SUBMITTED;
}

int regions_unregister(struct request *request) {
    static const struct param table[] = {{"region", PARAM_STRING, PARAM_REQUIRED, 0}};
    const char *name;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), &name))
        return 0;
    struct region *region = regions_find(request->peer, name);
    if (!region) {
        reply_error(request, "io.edged.RegionNotFound", "region", name);
        return 0;
    }
    drop(request->peer, region);
    reply_empty(request);
    return 0;
}
