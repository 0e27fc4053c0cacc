/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start, the loop's callbacks that concern everybody, the end.
 */

#include "daemon/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/heap.h"
#include "base/log.h"
#include "daemon/arena.h"
#include "daemon/peer.h"
#include "daemon/reply.h"
#include "daemon/request.h"
#include "daemon/startup.h"
#include "proto/message.h"
#include "runtime/crossover.h"

/* For each user, beside what the configuration limits. */
#define MAX_DESCRIPTORS 1024
#define MAX_REGIONS 1024
#define MAX_SESSIONS 4096

/* Bytes that the allocator may keep when a connection ends. */
#define KEEP_FREE ((size_t)1 << 20)

#define LOG_BURST 10
#define LOG_WINDOW_NS UINT64_C(10000000000)

bool server_take_slot(struct server *server) {
    if (server->n_slots >= server->config.queue + server->pool.n_workers)
        return false;
    server->n_slots++;
    return true;
}

void server_release_slot(struct server *server) {
    edge_assert(server->n_slots > 0);
    server->n_slots--;
}

bool server_may_log(struct server *server) {
    uint64_t now = clock_now_ns();
    if (now >= server->quiet_until) {
        server->quiet_until = now + LOG_WINDOW_NS;
        if (server->n_logged > LOG_BURST)
            log_warning("%u messages about connections were left out",
                        server->n_logged - LOG_BURST);
        server->n_logged = 0;
    }
    return server->n_logged++ < LOG_BURST;
}

void server_status_text(const struct server *server, char *ret, size_t size) {
    const char *state = server->stopping ? "Stopping" : server->startup ? "Loading" : "Serving";
    snprintf(ret, size, "%s %zu network%s on %u worker%s, %s", state, server->registry.n_models,
             server->registry.n_models == 1 ? "" : "s", server->pool.n_workers,
             server->pool.n_workers == 1 ? "" : "s", tier_name(server->tier));
}

void server_notify_status(struct server *server) {
    char text[256];
    server_status_text(server, text, sizeof(text));
    if (!server->startup && !server->stopping)
        notify_status(text);
}

/* The set of images in memory has changed. */
static void on_registry_changed(void *userdata) {
    struct server *server = userdata;
    if (!server->stopping) /* at the end the pool goes before the models */
        pool_set_arena(&server->pool, registry_arena_bytes(&server->registry));
}

/* Slots are free: the peers that wait get one each, in turn. */
static void grant_slots(struct server *server) {
    while (server->waiting_first && server_take_slot(server)) {
        struct peer *peer = server->waiting_first;
        peer_run_held(peer);
        peer_pump(peer);
    }
}

static void pump_dirty(struct server *server) {
    while (server->dirty) {
        struct peer *peer = server->dirty;
        server->dirty = peer->dirty_next;
        peer->is_dirty = false;
        peer_pump(peer);
    }
}

/* What a connection that has ended made the allocator keep goes back to the system, once nothing is under way. */
static void give_memory_back(struct server *server) {
    if (!server->may_give_back || server->n_slots)
        return;
    server->may_give_back = false;
    pool_trim(&server->pool);
    request_drop_store(server);
    heap_trim(KEEP_FREE);
}

/* A batch of jobs is done: each peer sends its answers in one go, then goes on. */
static void after_jobs(void *userdata) {
    struct server *server = userdata;
    pump_dirty(server);
    grant_slots(server);
    pump_dirty(server);
    give_memory_back(server);
}

/* The connection waits for an answer to its first call: it gets one that says why it is turned away. Takes fd over. */
static void turn_away(struct server *server, int fd, enum account_resource full, uint64_t limit) {
    const char *resource = account_resource_name(full);
    char text[160];
    int len = snprintf(text, sizeof(text),
                       "{\"error\":\"io.edged.QuotaExceeded\",\"parameters\":{\"resource\":\"%s\","
                       "\"limit\":%llu,\"used\":%llu}}",
                       resource, (unsigned long long)limit, (unsigned long long)limit);
    /* Its NUL goes along. */
    if (send(fd, text, (size_t)len + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        fd_close(fd);
    else
        linger_add(server, fd);
    server->n_refused++;
    if (server_may_log(server))
        log_warning("a connection was refused: no more than %llu %s", (unsigned long long)limit,
                    resource);
}

void server_add_peer(struct server *server, int fd) {
    struct peer *peer;
    enum account_resource full;
    if (server->n_peers >= server->config.max_connections) {
        turn_away(server, fd, ACCOUNT_CONNECTIONS, server->config.max_connections);
        return;
    }
    int copy = dup(fd); /* peer_new() takes the descriptor in any case */
    int r = peer_new(server, fd, &peer, &full);
    if (r == ACCOUNT_E_QUOTA && copy >= 0) {
        turn_away(server, copy, full, server->accounts.limit[full]);
        return;
    }
    if (r && server_may_log(server))
        log_error("a connection was refused: %s", r < 0 ? strerror(-r) : "a limit");
    fd_close(copy);
}

void server_peer_closed(struct server *server) {
    server->n_peers--;
    server->may_give_back = true;
    give_memory_back(server);
    if (!server->stopping && server->listener.n)
        listener_resume(&server->listener);
    else if (!server->n_peers) /* stopping, or started for one client only (varlink's exec:) */
        uv_stop(&server->loop);
}

static void on_drain_timeout(uv_timer_t *timer) {
    struct server *server = timer->data;
    log_warning("%zu connections did not fetch their answers", server->n_peers);
    uv_stop(&server->loop);
}

static void begin_stop(struct server *server) {
    struct peer *next;
    server->stopping = true;
    notify_stopping();
    log_notice("stopping");
    listener_close(&server->listener);
    for (struct peer *p = server->peers; p; p = p->next)
        peer_drain(p);
    for (struct peer *p = server->peers; p; p = next) {
        next = p->next;
        peer_pump(p);
    }
    if (!server->n_peers)
        uv_stop(&server->loop);
    else
        uv_timer_start(&server->drain, on_drain_timeout, SERVER_DRAIN_MS, 0);
}

static void on_signal(uv_signal_t *handle, _unused_ int number) {
    struct server *server = handle->data;
    if (server->stopping)
        uv_stop(&server->loop); /* the second one: at once */
    else
        begin_stop(server);
}

static void on_loaded(struct server *server) {
    char text[256];
    if (server->stopping)
        return;
    heap_trim(0);
    server_status_text(server, text, sizeof(text));
    notify_ready(text);
    log_notice("%s", text);
}

static void on_socket(int fd, bool connected, void *userdata) {
    struct server *server = userdata;
    struct diag diag;
    if (connected)
        server_add_peer(server, fd);
    else if (listener_adopt(&server->listener, fd, &diag))
        log_warning("a passed socket is not served: %s", diag.text);
}

static int init_loop(struct server *server, struct diag *diag) {
    static const int numbers[ARRAY_SIZE(server->signals)] = {SIGTERM, SIGINT};
    unsigned workers = server->config.workers ? server->config.workers : pool_count_cpus();
    int r = uv_loop_init(&server->loop);
    if (r)
        return diag_set(diag, r, "no event loop: %s", uv_strerror(r));
    server->loop.data = server;
    uv_timer_init(&server->loop, &server->drain);
    server->drain.data = server;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        r = uv_signal_start(&server->signals[i], on_signal, numbers[i]);
        if (r)
            return diag_set(diag, r, "no signals: %s", uv_strerror(r));
    }
    r = pool_init(&server->pool, &server->loop, MIN(workers, (unsigned)POOL_MAX_WORKERS),
                  after_jobs, server);
    if (!r)
        r = notify_init(&server->notify, &server->loop, &server->pool);
    return r ? diag_set(diag, r, "cannot start the workers: %s", strerror(-r)) : 0;
}

static int init_sockets(struct server *server, struct diag *diag) {
    int r = notify_sockets(on_socket, server);
    if (r < 0)
        return diag_set(diag, r, "passed sockets: %s", strerror(-r));
    return r ? 0
             : listener_bind(&server->listener, server->config.socket,
                             (mode_t)server->config.socket_mode, diag);
}

static int choose_tier(struct server *server, struct diag *diag) {
    const char *name = server->config.cpu;
    server->tier = strcmp(name, "auto") == 0 ? tier_best() : tier_parse(name);
    if (server->tier == TIER_END)
        return diag_set(diag, SERVER_E_CONFIG, "there is no CPU tier '%s'", name);
    if (!tier_supported(server->tier))
        return diag_set(diag, SERVER_E_CONFIG, "this CPU cannot run the tier '%s'", name);
    return 0;
}

/* Before a network is compiled, and before there are threads. */
static int read_crossovers(const struct config *config, struct diag *diag) {
    const int r = *config->crossover_file ? crossover_load(config->crossover_file, diag) : 0;
    return r > 0 ? SERVER_E_CONFIG : r;
}

static int find_admins(struct server *server, struct diag *diag) {
    const struct config *config = &server->config;
    if (access_init(&server->access, config->admin_users, diag) == 0)
        return 0;
    return diag_prefix(diag, SERVER_E_CONFIG, "%s", config->admin_users_origin);
}

int server_init(struct server *server, const struct config *config, struct diag *diag) {
    const uint64_t limits[ACCOUNT_N] = {
        [ACCOUNT_CONNECTIONS] = config->max_connections_per_user,
        [ACCOUNT_BYTES] = config->memory_per_user,
        [ACCOUNT_DESCRIPTORS] = MAX_DESCRIPTORS,
        [ACCOUNT_REGIONS] = MAX_REGIONS,
        [ACCOUNT_SESSIONS] = MAX_SESSIONS,
    };
    *server = (struct server){.config = *config, .started_ns = clock_now_ns()};
    /* Writing to a pipe that nobody reads, and growing a memfd beyond a limit, are errors to be handled; who asks to
     * read the settings again does not mean to end the daemon. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    arena_install_hooks();
    accounts_init(&server->accounts, limits);
    registry_init(&server->registry, on_registry_changed, server);
    listener_init(&server->listener, server);
    int r = choose_tier(server, diag);
    if (!r)
        r = read_crossovers(config, diag);
    if (!r)
        r = find_admins(server, diag);
    if (!r)
        r = init_loop(server, diag);
    if (!r)
        r = init_sockets(server, diag);
    if (!r && (r = startup_load(server, config->models, on_loaded)))
        diag_set(diag, r, "cannot load the models: %s", strerror(-r));
    return r;
}

int server_run(struct server *server) {
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return 0;
}

static void close_handle(uv_handle_t *handle, _unused_ void *arg) {
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closing a signal's handle gives the signal its default action back: one more SIGTERM on the way out would make the end
 * look like a crash. */
static void block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void server_deinit(struct server *server) {
    block_signals();
    if (!server->loop.data) {
        listener_close(&server->listener);
        return;
    }
    server->stopping = true;
    listener_close(&server->listener);
    while (server->peers)
        peer_close(server->peers);
    linger_close_all(server);
    notify_deinit(&server->notify);
    pool_deinit(&server->pool);
    startup_cancel(server);
    uv_walk(&server->loop, close_handle, NULL);
    while (uv_run(&server->loop, UV_RUN_DEFAULT))
        ;
    uv_loop_close(&server->loop);
    request_drop_store(server);
    registry_deinit(&server->registry);
    accounts_deinit(&server->accounts);
}
