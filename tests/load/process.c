/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting, stopping and measuring a daemon.
 */

#include "tests/load/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/load/outcome.h"

#define START_TIMEOUT_MS 120000

static struct process *running;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

/* However the test ends. Children of the test end without this. */
static void clean_up(void) {
    if (!running || getpid() != owner)
        return;
    if (running->pid > 0) {
        kill(running->pid, SIGKILL);
        waitpid(running->pid, NULL, 0);
    }
    nftw(running->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    running = NULL;
}

void process_prepare(struct process *ret_process) {
    const char *tmp = getenv("TMPDIR");
    struct process *p = ret_process;
    *p = (struct process){.notify = -1};
    int n = snprintf(p->dir, sizeof(p->dir), "%s/edged-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    expect(n < (int)sizeof(p->dir), "TMPDIR is too long");
    expect(mkdtemp(p->dir), "mkdtemp: %s", strerror(errno));
    snprintf(p->models, sizeof(p->models), "%s/models", p->dir);
    snprintf(p->socket, sizeof(p->socket), "%s/io.edged", p->dir);
    expect(mkdir(p->models, 0700) == 0, "mkdir: %s", strerror(errno));
    if (owner == 0)
        atexit(clean_up);
    owner = getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    running = p;
}

static void listen_for_notice(struct process *p, char *ret_path, size_t size) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(ret_path, size, "%s/notify", p->dir);
    expect(strlen(ret_path) < sizeof(addr.sun_path), "TMPDIR is too long");
    memcpy(addr.sun_path, ret_path, strlen(ret_path) + 1);
    p->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    expect(bind(p->notify, (struct sockaddr *)&addr, sizeof(addr)) == 0, "bind: %s",
           strerror(errno));
}

static _Noreturn void become_edged(const struct process *p, const char *edged, const char *config,
                                   const char *notify, uint64_t watchdog_us) {
    char number[24];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("NOTIFY_SOCKET", notify, 1);
    if (watchdog_us) {
        snprintf(number, sizeof(number), "%llu", (unsigned long long)watchdog_us);
        setenv("WATCHDOG_USEC", number, 1);
        snprintf(number, sizeof(number), "%d", (int)getpid());
        setenv("WATCHDOG_PID", number, 1);
    }
    execl(edged, edged, "--config", config, "--socket", p->socket, "--models", p->models,
          (char *)NULL);
    fprintf(stderr, "%s: %s\n", edged, strerror(errno));
    _exit(127);
}

static void wait_until_ready(struct process *p) {
    for (;;) {
        struct pollfd pollfd = {.fd = p->notify, .events = POLLIN};
        /* One look a second at whether it is still there: its end closes nothing of ours. */
        int n = 0;
        for (int waited = 0; n == 0 && waited < START_TIMEOUT_MS; waited += 1000) {
            n = poll(&pollfd, 1, 1000);
            if (n == 0 && waitpid(p->pid, NULL, WNOHANG) != 0) {
                p->pid = 0;
                fail("edged ended while it started");
            }
        }
        expect(n == 1, "edged is not ready after %d s", START_TIMEOUT_MS / 1000);
        char text[4096];
        ssize_t len = recv(p->notify, text, sizeof(text) - 1, 0);
        expect(len >= 0, "recv: %s", strerror(errno));
        text[len] = '\0';
        if (strstr(text, "READY=1"))
            return;
    }
}

void process_start(struct process *process, const char *edged, const char *config,
                   uint64_t watchdog_us) {
    struct process *p = process;
    char notify[PROCESS_MAX_PATH], path[PROCESS_MAX_PATH];
    listen_for_notice(p, notify, sizeof(notify));
    snprintf(path, sizeof(path), "%s/edged.conf", p->dir);
    FILE *file = fopen(path, "we");
    expect(file && fprintf(file, "[server]\nlog-level = warning\n%s", config) > 0 &&
               fclose(file) == 0,
           "%s: %s", path, strerror(errno));
    p->pid = fork();
    expect(p->pid >= 0, "fork: %s", strerror(errno));
    if (p->pid == 0)
        become_edged(p, edged, path, notify, watchdog_us);
    wait_until_ready(p);
    /* A notice nobody reads would block its sender once the socket is full. */
    if (!watchdog_us)
        p->notify = fd_close(p->notify);
}

void process_stop(struct process *process) {
    int status = 0;
    kill(process->pid, SIGTERM);
    pid_t pid = process->pid;
    expect(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
    process->pid = 0;
    process->notify = fd_close(process->notify);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "edged ended with %s %d",
           WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    clean_up();
}

/* A line "Key:   123 kB" of a file; its value in bytes, 0 where it is absent. */
static size_t kilobytes_of(const char *text, const char *key) {
    const char *p = strstr(text, key);
    return p ? strtoul(p + strlen(key), NULL, 10) * 1024 : 0;
}

static void read_proc(pid_t pid, const char *name, char *ret, size_t size) {
    char path[PROCESS_MAX_PATH];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    expect(file, "%s: %s", path, strerror(errno));
    ret[fread(ret, 1, size - 1, file)] = '\0';
    fclose(file);
}

void process_memory(const struct process *process, struct process_memory *ret_memory) {
    char text[8192];
    read_proc(process->pid, "status", text, sizeof(text));
    *ret_memory = (struct process_memory){
        .rss = kilobytes_of(text, "VmRSS:"),
        .anon = kilobytes_of(text, "RssAnon:"),
        .file = kilobytes_of(text, "RssFile:"),
        .shmem = kilobytes_of(text, "RssShmem:"),
        .peak = kilobytes_of(text, "VmHWM:"),
    };
    read_proc(process->pid, "smaps_rollup", text, sizeof(text));
    ret_memory->pss = kilobytes_of(text, "\nPss:");
}

void process_reset_peak(const struct process *process) {
    char path[PROCESS_MAX_PATH];
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)process->pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    expect(fd >= 0 && write(fd, "5", 1) == 1, "%s: %s", path, strerror(errno));
    fd_close(fd);
}

/* Calls `visit` with each entry of /proc/PID/NAME and returns how many there are. */
static unsigned each_entry(pid_t pid, const char *name,
                           void (*visit)(pid_t pid, const char *entry, void *data), void *data) {
    char path[PROCESS_MAX_PATH];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    DIR *dir = opendir(path);
    expect(dir, "%s: %s", path, strerror(errno));
    unsigned n = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        n++;
        if (visit)
            visit(pid, entry->d_name, data);
    }
    closedir(dir);
    return n;
}

unsigned process_fds(const struct process *process) {
    return each_entry(process->pid, "fd", NULL, NULL);
}

static void add_switches(pid_t pid, const char *entry, void *data) {
    char name[PROCESS_MAX_PATH], text[8192];
    uint64_t *sum = data;
    snprintf(name, sizeof(name), "task/%.32s/status", entry);
    read_proc(pid, name, text, sizeof(text));
    const char *key = "\nvoluntary_ctxt_switches:";
    const char *p = strstr(text, key);
    expect(p, "no voluntary_ctxt_switches in /proc/%d/%s", (int)pid, name);
    *sum += strtoull(p + strlen(key), NULL, 10);
}

uint64_t process_switches(const struct process *process, unsigned *ret_n_threads) {
    uint64_t sum = 0;
    *ret_n_threads = each_entry(process->pid, "task", add_switches, &sum);
    return sum;
}
