/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions.
 */

#include "daemon/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "daemon/dispatch.h"
#include "daemon/infer.h"
#include "daemon/peer.h"
#include "daemon/regions.h"
#include "daemon/registry.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/server.h"
#include "proto/params.h"
#include "runtime/runtime.h"

struct session_entry *sessions_find(struct peer *peer, const char *name) {
    uint64_t number = handle_number(name, 's');
    struct session_entry *s = peer->sessions;
    while (s && s->number != number)
        s = s->next;
    return s;
}

struct session_entry *session_entry_ref(struct session_entry *session) {
    session->n_refs++;
    return session;
}

struct session_entry *session_entry_unref(struct session_entry *session) {
    if (!session || --session->n_refs)
        return NULL;
    edge_assert(!session->running && !session->first);
    session_free(session->state);
    session->model->n_sessions--;
    model_unref(session->model);
    charge_release(&session->bytes);
    charge_release(&session->charge);
    free(session);
    return NULL;
}

static void submit(struct session_entry *session, struct request *request) {
    session->running = request;
    pool_submit(&request->server->pool, &request->job);
}

void sessions_submit(struct session_entry *session, struct request *request) {
    if (!session->running) {
        submit(session, request);
        return;
    }
    request->session_next = NULL;
    if (session->last)
        session->last->session_next = request;
    else
        session->first = request;
    session->last = request;
}

void sessions_finish(struct session_entry *session, struct request *request) {
    struct request *next = session->first;
    if (session->running != request)
        return;
    session->running = NULL;
    if (!next)
        return;
    session->first = next->session_next;
    if (!session->first)
        session->last = NULL;
    submit(session, next);
}

bool sessions_cancel(struct request *request) {
    struct session_entry *session = infer_session(request);
    struct request *before = NULL;
    if (!session)
        return false;
    for (struct request *r = session->first; r; before = r, r = r->session_next) {
        if (r != request)
            continue;
        if (before)
            before->session_next = r->session_next;
        else
            session->first = r->session_next;
        if (session->last == r)
            session->last = before;
        return true;
    }
    return false;
}

static void drop(struct peer *peer, struct session_entry *session) {
    struct session_entry **at = &peer->sessions;
    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    peer->server->n_sessions--;
    session_entry_unref(session);
}

void sessions_drop_all(struct peer *peer) {
    while (peer->sessions)
        drop(peer, peer->sessions);
}

/* Charged, made, listed. On failure the reply is written. */
static int open_session(struct request *request, struct model *model,
                        struct session_entry **ret_session) {
    struct peer *peer = request->peer;
    struct session_entry *session = calloc(1, sizeof(*session));
    if (!session)
        return err_origin(-ENOMEM);
    session->n_refs = 1;
    session->model = model_ref(model);
    model->n_sessions++;
    enum account_resource full = ACCOUNT_SESSIONS;
    int r = charge_take(&session->charge, peer->account, ACCOUNT_SESSIONS, 1);
    if (!r) {
        full = ACCOUNT_BYTES;
        r = charge_take(&session->bytes, peer->account, ACCOUNT_BYTES,
                        sizeof(*session) + image_state_bytes(model->image));
    }
    if (r)
        reply_quota(request, account_resource_name(full), peer->server->accounts.limit[full],
                    peer->account->used[full]);
    else
        r = session_new(model->image, &session->state);
    if (r) {
        session_entry_unref(session);
        return r;
    }
    session->number = ++peer->n_sessions_ever;
    session->next = peer->sessions;
    peer->sessions = session;
    peer->server->n_sessions++;
    *ret_session = session;
    return 0;
}

int sessions_open(struct request *request) {
    static const struct param table[] = {{"model", PARAM_STRING, PARAM_REQUIRED, 0}};
    const char *name;
    char text[32];
    struct session_entry *session = NULL;
    struct json_writer w;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), &name))
        return 0;
    struct model *model = registry_find(&request->server->registry, name);
    if (!model) {
        reply_error(request, "io.edged.ModelNotFound", "model", name);
        return 0;
    }
    int r = open_session(request, model, &session);
    if (r)
        return r < 0 ? r : 0;
    snprintf(text, sizeof(text), "s%llu", (unsigned long long)session->number);
    reply_begin(request, &w);
    json_key(&w, "session");
    json_put_string(&w, text);
    reply_end(request, &w);
    return 0;
}

int sessions_close(struct request *request) {
    static const struct param table[] = {{"session", PARAM_STRING, PARAM_REQUIRED, 0}};
    const char *name;
    if (!dispatch_params(request, table, ARRAY_SIZE(table), &name))
        return 0;
    struct session_entry *session = sessions_find(request->peer, name);
    if (!session) {
        reply_error(request, "io.edged.SessionNotFound", "session", name);
        return 0;
    }
    drop(request->peer, session);
    reply_empty(request);
    return 0;
}
