/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon under test and the generic client.
 */

#include "tests/daemon/harness.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "tests/daemon/tiny.h"

#define PATIENCE_S 60 /* until a test gives up on the daemon */
#define MAX_ARGS 24

static char path_text[256];

const char *daemon_path(const struct daemon *daemon, const char *name) {
    snprintf(path_text, sizeof(path_text), "%s/%s", daemon->dir, name);
    return path_text;
}

static void write_network(const char *path, const char *name) {
    static const struct {
        const char *name;
        void (*write)(const char *path, const char *name);
    } rows[] = {
        {"affine", tiny_affine},   {"quant", tiny_quant}, {"two", tiny_two},
        {"counter", tiny_counter}, {"slow", tiny_slow},
    };
    if (strcmp(name, "broken") == 0)
        ck_assert_int_eq(file_write_atomic(path, name, strlen(name), NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].name, name) == 0) {
            rows[i].write(path, name);
            return;
        }
}

static void run_daemon(const struct daemon *daemon, const char *notify, const char *const *args) {
    const char *argv[MAX_ARGS] = {EDGED_EXE,  "--socket", daemon->socket, "--models", NULL,
                                  "--config", NULL};
    size_t n = 7;
    char models[128], config[128];
    snprintf(models, sizeof(models), "%s/models", daemon->dir);
    snprintf(config, sizeof(config), "%s/edged.conf", daemon->dir);
    argv[4] = models;
    argv[6] = config;
    for (; args && *args; args++)
        argv[n++] = *args;
    argv[n] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a failed test */
    setenv("NOTIFY_SOCKET", notify, 1);
    unsetenv("LISTEN_FDS");
    execv(EDGED_EXE, (char *const *)argv);
    _exit(127);
}

void daemon_wait(struct daemon *daemon, const char *want) {
    char text[512];
    do {
        ssize_t n = recv(daemon->notify, text, sizeof(text) - 1, 0);
        ck_assert_msg(n > 0, "the daemon did not say %s: %s", want, strerror(errno));
        text[n] = 0;
    } while (!strstr(text, want));
}

int daemon_run(const char *const *args) {
    pid_t pid = fork();
    int status;
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        const char *argv[MAX_ARGS] = {EDGED_EXE};
        for (size_t n = 1; *args; args++)
            argv[n++] = *args;
        execv(EDGED_EXE, (char *const *)argv);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void daemon_start(struct daemon *daemon, const char *const *files, const char *const *args) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    strcpy(daemon->dir, "/tmp/edged-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(daemon->dir));
    ck_assert_int_eq(chmod(daemon->dir, 0755), 0);
    snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->dir);
    ck_assert_int_eq(mkdir(daemon_path(daemon, "models"), 0700), 0);
    for (; files && *files; files++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/models/%s.edge", daemon->dir, *files);
        write_network(path, *files);
    }
    int conf =
        open(daemon_path(daemon, "edged.conf"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(conf, 0);
    const char *text = daemon->config ? daemon->config : "[limits]\nmax-batch = 256\n";
    ck_assert_int_eq(write(conf, text, strlen(text)), (ssize_t)strlen(text));
    fd_close(conf);
    daemon->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", daemon->dir);
    ck_assert_int_eq(bind(daemon->notify, (struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(daemon->notify, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    daemon->pid = fork();
    ck_assert_int_ge(daemon->pid, 0);
    if (daemon->pid == 0)
        run_daemon(daemon, address.sun_path, args);
    daemon_wait(daemon, "READY=1");
}

void daemon_restart(struct daemon *daemon) {
    daemon->pid = fork();
    ck_assert_int_ge(daemon->pid, 0);
    if (daemon->pid == 0)
        run_daemon(daemon, daemon_path(daemon, "notify"), NULL);
    daemon_wait(daemon, "READY=1");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int daemon_stop(struct daemon *daemon) {
    int status;
    kill(daemon->pid, SIGTERM);
    daemon->notify = fd_close(daemon->notify);
    ck_assert_int_eq(waitpid(daemon->pid, &status, 0), daemon->pid);
    ck_assert_int_ne(access(daemon->socket, F_OK), 0);
    nftw(daemon->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

unsigned daemon_fds(const struct daemon *daemon) {
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", daemon->pid);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

unsigned long daemon_memory(const struct daemon *daemon, const char *field) {
    char path[64], line[256];
    unsigned long v = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", daemon->pid);
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, field, strlen(field)) == 0)
            v = strtoul(line + strlen(field) + 1, NULL, 10);
    fclose(f);
    return v;
}

void client_connect(struct client *client, const struct daemon *daemon) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    *client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    strcpy(address.sun_path, daemon->socket);
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static void close_fds(struct client *client) {
    while (client->n_fds)
        fd_close(client->fds[--client->n_fds]);
}

void client_close(struct client *client) {
    close_fds(client);
    free(client->buffer);
    fd_close(client->fd);
    *client = (struct client){.fd = -1};
}

void client_send(struct client *client, const char *text, const int *fds, unsigned n_fds) {
    size_t len = strlen(text) + 1;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    for (size_t done = 0; done < len;) {
        struct iovec iov = {.iov_base = (char *)text + done, .iov_len = len - done};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        if (n_fds && !done) {
            msg.msg_control = control.space;
            msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
            struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
            *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS,
                                  .cmsg_len = CMSG_LEN(n_fds * sizeof(int))};
            memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }
        ssize_t n = sendmsg(client->fd, &msg, MSG_NOSIGNAL);
        ck_assert_msg(n > 0, "cannot send: %s", strerror(errno));
        done += (size_t)n;
    }
}

void client_sendf(struct client *client, const char *fmt, ...) {
    char *text;
    va_list ap;
    va_start(ap, fmt);
    ck_assert_int_ge(vasprintf(&text, fmt, ap), 0);
    va_end(ap);
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    client_send(client, text, NULL, 0);
    free(text);
}

/* One recvmsg into the buffer; false at the end of the stream. */
static bool fill(struct client *client) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(8 * sizeof(int))];
    } control;
    if (client->cap - client->len < 65536) {
        client->cap = client->cap * 2 + 131072;
        client->buffer = realloc(client->buffer, client->cap);
        ck_assert_ptr_nonnull(client->buffer);
    }
    struct iovec iov = {.iov_base = client->buffer + client->len,
                        .iov_len = client->cap - client->len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    ssize_t n = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == ECONNRESET)
        return false;
    ck_assert_msg(n >= 0, "no reply: %s", strerror(errno));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(client->fds + client->n_fds, CMSG_DATA(c), count * sizeof(int));
        client->n_fds += (unsigned)count;
    }
    client->len += (size_t)n;
    return n > 0;
}

cJSON *client_receive(struct client *client) {
    char *end;
    close_fds(client);
    while (!(end = client->len ? memchr(client->buffer, 0, client->len) : NULL))
        if (!fill(client)) {
            ck_assert_uint_eq(client->len, 0);
            return NULL;
        }
    cJSON *json = cJSON_Parse(client->buffer);
    ck_assert_msg(json != NULL, "not JSON: %s", client->buffer);
    client->len -= (size_t)(end + 1 - client->buffer);
    memmove(client->buffer, end + 1, client->len);
    /* What varlinkctl insists on: these members of a reply and no other. */
    const cJSON *member;
    cJSON_ArrayForEach(member, json) {
        ck_assert_msg(strcmp(member->string, "parameters") == 0 ||
                          strcmp(member->string, "error") == 0,
                      "a reply with '%s'", member->string);
    }
    return json;
}

const cJSON *json_at(const cJSON *json, const char *path) {
    while (json && *path) {
        char part[64];
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)len, path);
        path += path[len] ? len + 1 : len;
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(part))
                                   : cJSON_GetObjectItemCaseSensitive(json, part);
    }
    return json;
}

void expect_error(struct client *client, const char *error, const char *parameter,
                  const char *value) {
    cJSON *reply = client_receive(client);
    ck_assert_ptr_nonnull(reply);
    char *text = cJSON_PrintUnformatted(reply);
    const cJSON *e = json_at(reply, "error");
    ck_assert_msg(e && strcmp(e->valuestring, error) == 0, "%s expected, but: %s", error, text);
    if (parameter) {
        const cJSON *p = json_at(json_at(reply, "parameters"), parameter);
        ck_assert_msg(p && strcmp(p->valuestring, value) == 0, "%s '%s' expected, but: %s",
                      parameter, value, text);
    }
    free(text);
    cJSON_Delete(reply);
}

cJSON *expect_success(struct client *client) {
    cJSON *reply = client_receive(client);
    ck_assert_ptr_nonnull(reply);
    if (json_at(reply, "error"))
        ck_abort_msg("%s", cJSON_PrintUnformatted(reply));
    return reply;
}

void expect_numbers(const cJSON *json, const char *path, const double *want, size_t n) {
    const cJSON *array = json_at(json, path);
    ck_assert_msg(array != NULL, "nothing at %s", path);
    ck_assert_int_eq(cJSON_GetArraySize(array), (int)n);
    for (size_t i = 0; i < n; i++) {
        double got = cJSON_GetArrayItem(array, (int)i)->valuedouble;
        ck_assert_msg(got == want[i], "%s[%zu] is %.9g, not %.9g", path, i, got, want[i]);
    }
}

void expect_closed(struct client *client) {
    cJSON *reply = client_receive(client);
    if (reply)
        ck_abort_msg("not closed: %s", cJSON_PrintUnformatted(reply));
}

long status_of(struct client *client, const char *field) {
    client_sendf(client, "{'method':'io.edged.Status'}");
    cJSON *reply = expect_success(client);
    const cJSON *item = json_at(json_at(reply, "parameters"), field);
    ck_assert_ptr_nonnull(item);
    long v = (long)item->valuedouble;
    cJSON_Delete(reply);
    return v;
}

void wait_status(struct client *client, const char *field, long value) {
    uint64_t end = clock_now_ns() + PATIENCE_S * UINT64_C(1000000000);
    long v;
    while ((v = status_of(client, field)) != value)
        ck_assert_msg(clock_now_ns() < end, "%s stays %ld", field, v);
}

int run_suite(Suite *suite) {
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
