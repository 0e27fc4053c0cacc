/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The models directory. Files are loaded side by side and become models in the order of their names, so that which of
 * two of the same name wins does not depend on timing.
 */

#include "daemon/startup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/load.h"
#include "daemon/server.h"
#include "runtime/runtime.h"

struct startup_file {
    struct job job;
    struct startup *startup;
    char *path;
    struct load load;
    int code;
};

struct startup {
    struct server *server;
    void (*ready)(struct server *);
    struct startup_file *files;
    size_t n_files, n_pending;
};

static struct startup *startup_free(struct startup *s) {
    for (size_t i = 0; i < s->n_files; i++) {
        load_deinit(&s->files[i].load);
        free(s->files[i].path);
    }
    free(s->files);
    free(s);
    return NULL;
}

static void install(struct server *server, struct startup_file *file) {
    struct load *load = &file->load;
    struct model *model;
    if (file->code > 0) {
        log_warning("%s is not loaded: %s", file->path, load->diag.text);
        return;
    }
    int r =
        file->code ? file->code : registry_add(&server->registry, load->name, load->image, &model);
    if (r == REGISTRY_E_EXISTS)
        log_warning("%s is not loaded: another network has the name '%s'", file->path, load->name);
    else if (r)
        log_warning("%s is not loaded: %s", file->path,
                    r < 0 ? strerror(-r) : "there are too many networks");
    if (r)
        return;
    model->load_ns = load->ns;
    load->image = NULL;
}

static void finish(struct startup *s) {
    struct server *server = s->server;
    void (*ready)(struct server *) = s->ready;
    for (size_t i = 0; i < s->n_files; i++)
        install(server, &s->files[i]);
    server->startup = startup_free(s);
    ready(server);
}

static void on_worker(struct job *job, _unused_ struct worker *worker) {
    struct startup_file *file = container_of(job, struct startup_file, job);
    file->code = load_run(&file->load);
}

static void on_done(struct job *job) {
    struct startup *s = container_of(job, struct startup_file, job)->startup;
    if (--s->n_pending == 0)
        finish(s);
}

static int is_edge(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot && dot != entry->d_name && strcmp(dot, ".edge") == 0;
}

static int add_file(struct startup *s, const char *dir, const char *name) {
    struct startup_file *file = &s->files[s->n_files];
    if (asprintf(&file->path, "%s/%s", dir, name) < 0)
        return err_origin(-ENOMEM);
    s->n_files++;
    file->startup = s;
    file->load.path = file->path;
    file->load.fd = -1;
    file->load.tier = s->server->tier;
    file->job.work = on_worker;
    file->job.done = on_done;
    return 0;
}

static int add_files(struct startup *s, const char *dir, struct dirent **entries, int n) {
    s->files = calloc((size_t)n, sizeof(*s->files));
    if (!s->files)
        return err_origin(-ENOMEM);
    for (int i = 0; i < n; i++) {
        int r = add_file(s, dir, entries[i]->d_name);
        if (r)
            return r;
    }
    return 0;
}

int startup_load(struct server *server, const char *dir, void (*ready)(struct server *)) {
    struct dirent **entries = NULL;
    int n = *dir ? scandir(dir, &entries, is_edge, alphasort) : 0;
    if (n < 0 && errno != ENOENT)
        log_warning("models directory %s: %s", dir, strerror(errno));
    struct startup *s = calloc(1, sizeof(*s));
    int r = s ? 0 : err_origin(-ENOMEM);
    if (s) {
        s->server = server;
        s->ready = ready;
    }
    if (!r && n > 0)
        r = add_files(s, dir, entries, n);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    if (r) {
        if (s)
            startup_free(s);
        return r;
    }
    server->startup = s;
    s->n_pending = s->n_files;
    for (size_t i = 0; i < s->n_files; i++)
        pool_submit(&server->pool, &s->files[i].job);
    if (!s->n_files)
        finish(s);
    return 0;
}

void startup_cancel(struct server *server) {
    if (server->startup)
        server->startup = startup_free(server->startup);
}
