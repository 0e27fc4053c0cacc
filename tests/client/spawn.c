/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs under test. Their output goes to files of the test's folder: no pipe can fill up.
 */

#include "tests/client/spawn.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "base/fd.h"

char spawn_dir[64];
static char out_text[SPAWN_MAX_TEXT], err_text[SPAWN_MAX_TEXT];

void spawn_setup(void) {
    snprintf(spawn_dir, sizeof(spawn_dir), "/tmp/test-edgectl-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(spawn_dir));
    /* Nothing of the caller's surroundings counts. */
    unsetenv("EDGED_SOCKET");
    unsetenv("EDGE_CPU");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    return remove(path);
}

void spawn_teardown(void) {
    nftw(spawn_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *spawn_path(const char *name) {
    static char paths[SPAWN_MAX_PATHS][256];
    static unsigned next;
    char *path = paths[next++ % SPAWN_MAX_PATHS];
    snprintf(path, sizeof(paths[0]), "%s/%s", spawn_dir, name);
    return path;
}

const char *spawn_write(const char *name, const void *data, size_t size) {
    const char *path = spawn_path(name);
    struct diag diag;
    ck_assert_msg(file_write_atomic(path, data, size, &diag) == 0, "%s", diag.text);
    return path;
}

static void redirect(const char *path, int flags, int to) {
    int fd = open(path, flags, 0600);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(126);
}

/* sd_listen_fds(3): descriptor 3, and the pid it is meant for. */
static void hand_over(int listener) {
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "varlink", 1);
    if (dup2(listener, 3) < 0)
        _exit(126);
    if (listener == 3)
        fcntl(listener, F_SETFD, 0);
}

static pid_t start(const char *program, const char **args, int listener, const char *in,
                   const char *out, const char *err) {
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        redirect(in, O_RDONLY, STDIN_FILENO);
        redirect(out, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
        if (strcmp(err, out) == 0)
            dup2(STDOUT_FILENO, STDERR_FILENO);
        else
            redirect(err, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
        if (listener >= 0)
            hand_over(listener);
        execv(program, (char *const *)args);
        _exit(127);
    }
    return pid;
}

static void read_text(const char *path, char *ret) {
    struct map map = {0};
    struct diag diag;
    ck_assert_msg(map_read_file(path, SPAWN_MAX_TEXT - 1, &map, &diag) == 0, "%s", diag.text);
    if (map.size)
        memcpy(ret, map.data, map.size);
    ret[map.size] = 0;
    map_deinit(&map);
}

static int wait_for(pid_t pid) {
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void collect_args(const char **args, unsigned n, va_list ap) {
    do
        ck_assert_uint_lt(n, SPAWN_MAX_ARGS);
    while ((args[n++] = va_arg(ap, const char *)));
}

static struct spawned run(const char **args, const char *input) {
    const char *in = input ? spawn_write("stdin", input, strlen(input)) : "/dev/null";
    char out[128], err[128];
    snprintf(out, sizeof(out), "%s/stdout", spawn_dir);
    snprintf(err, sizeof(err), "%s/stderr", spawn_dir);
    const char *program = getenv("EDGECTL");
    ck_assert_ptr_nonnull(program);
    struct spawned s = {.out = out_text, .err = err_text};
    s.status = wait_for(start(program, args, -1, in, out, err));
    read_text(out, out_text);
    read_text(err, err_text);
    return s;
}

struct spawned edgectl(const char *input, ...) {
    const char *args[SPAWN_MAX_ARGS] = {"edgectl"};
    va_list ap;
    va_start(ap, input);
    collect_args(args, 1, ap);
    va_end(ap);
    return run(args, input);
}

cJSON *edgectl_json(const char *first, ...) {
    const char *args[SPAWN_MAX_ARGS] = {"edgectl", "--json", first};
    va_list ap;
    va_start(ap, first);
    collect_args(args, 3, ap);
    va_end(ap);
    struct spawned s = run(args, NULL);
    ck_assert_msg(s.status == 0, "%s: exit code %d: %s", first, s.status, s.err);
    const char *end;
    cJSON *document = cJSON_ParseWithOpts(s.out, &end, false);
    ck_assert_msg(document != NULL, "%s: no JSON: %s", first, s.out);
    ck_assert_str_eq(end, "\n");
    return document;
}

pid_t spawn_daemon(const char *program, int listener, const char *log, ...) {
    const char *args[SPAWN_MAX_ARGS] = {program};
    va_list ap;
    va_start(ap, log);
    collect_args(args, 1, ap);
    va_end(ap);
    return start(program, args, listener, "/dev/null", log, log);
}

int spawn_stop(pid_t pid) {
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    return wait_for(pid);
}
