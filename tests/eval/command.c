/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork, exec, read, wait.
 */

#include "tests/eval/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/load/outcome.h"

#define OUTPUT_MAX ((size_t)1 << 20)

static _Noreturn void become(const char *const *argv, int out) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (out >= 0)
        dup2(out, STDOUT_FILENO);
    execvp(argv[0], (char *const *)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* All that comes, with a NUL after it. */
static char *read_all(int fd, size_t max, size_t *ret_size) {
    size_t size = 0, cap = 65536;
    char *text = malloc(cap + 1);
    for (;;) {
        expect(text, "no memory");
        ssize_t n = read(fd, text + size, cap - size);
        expect(n >= 0, "read: %s", strerror(errno));
        if (n == 0)
            break;
        size += (size_t)n;
        expect(size <= max, "a program writes more than %zu bytes", max);
        if (size == cap) {
            cap *= 2;
            text = realloc(text, cap + 1);
        }
    }
    text[size] = '\0';
    *ret_size = size;
    return text;
}

int command_run(const char *const *argv, size_t max, char **ret_out, size_t *ret_size) {
    int out[2] = {-1, -1}, status;
    expect(!ret_out || pipe2(out, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    expect(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0)
        become(argv, out[1]);
    fd_close(out[1]);
    if (ret_out)
        *ret_out = read_all(out[0], max, ret_size);
    fd_close(out[0]);
    expect(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
    expect(WIFEXITED(status), "%s died of signal %d", argv[0], WTERMSIG(status));
    expect(WEXITSTATUS(status) != 127, "%s cannot be run", argv[0]);
    return WEXITSTATUS(status);
}

char *command_output(const char *const *argv) {
    char *text;
    size_t size;
    int status = command_run(argv, OUTPUT_MAX, &text, &size);
    expect(status == 0, "%s %s %s: exit status %d", argv[0], argv[1], argv[2], status);
    return text;
}
