/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every reference output through the command line: import, then infer with a running daemon and without one.
 *
 *     golden-edgectl EDGED EDGECTL OPS-DIR
 */

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/eval/command.h"
#include "tests/golden/cases.h"
#include "tests/load/outcome.h"
#include "tests/load/process.h"
#include "tests/shared.h"

#define OUTPUTS_MAX ((size_t)256 << 20)
#define NAME_MAX_BYTES 160

struct fixture {
    struct process process;
    const char *edgectl;
};

/* An operator's case is a network of its own; others are several sets of one network. */
static void network_name(const struct golden_case *c, char *ret) {
    const char *slash = strchr(c->name, '/');
    if (strncmp(c->name, "ops/", 4) == 0)
        snprintf(ret, NAME_MAX_BYTES, "%s", slash + 1);
    else
        snprintf(ret, NAME_MAX_BYTES, "%.*s", (int)(slash - c->name), c->name);
}

static void network_file(const struct fixture *f, const struct golden_case *c, char *ret,
                         size_t size) {
    char name[NAME_MAX_BYTES];
    network_name(c, name);
    snprintf(ret, size, "%s/%s.edge", f->process.models, name);
}

/* The sets of one network follow each other: imported once. */
static bool import(const struct fixture *f, const struct golden_case *c,
                   const struct golden_case *before) {
    char name[NAME_MAX_BYTES], file[512], *text;
    size_t size;
    if (before && strcmp(before->network, c->network) == 0)
        return true;
    network_name(c, name);
    network_file(f, c, file, sizeof(file));
    const char *const argv[] = {f->edgectl, "import", c->network, "-o", file, "--name", name, NULL};
    int status = command_run(argv, OUTPUTS_MAX, &text, &size);
    free(text);
    if (status != 0)
        printf("%s: cannot be imported\n", c->name);
    return status == 0;
}

/* Runs edgectl infer; its outputs go to `out`. */
static int infer(const struct fixture *f, const struct golden_case *c, bool local,
                 const char *out) {
    char name[NAME_MAX_BYTES], file[512], *text;
    const char *argv[COMMAND_MAX_ARGS] = {f->edgectl, "infer",    NULL, "--input",
                                          c->inputs,  "--output", out};
    size_t n = 7, size;
    network_name(c, name);
    network_file(f, c, file, sizeof(file));
    argv[2] = local ? file : name;
    if (!c->consecutive)
        argv[n++] = "--fresh";
    if (local) {
        argv[n++] = "--local";
    } else {
        argv[n++] = "--socket";
        argv[n++] = f->process.socket;
    }
    int status = command_run(argv, OUTPUTS_MAX, &text, &size);
    free(text);
    return status;
}

/* What the daemon, or edgectl itself, answers on a set. */
static bool check(const struct fixture *f, const struct golden_case *c, bool local) {
    char out[512];
    const char *how = local ? "--local" : "daemon";
    snprintf(out, sizeof(out), "%s/outputs.bin", f->process.dir);
    int status = infer(f, c, local, out);
    if (status != 0) {
        printf("%s, %s: exit status %d\n", c->name, how, status);
        return false;
    }
    struct diag diag;
    struct map got, want;
    expect(map_read_file(out, OUTPUTS_MAX, &got, &diag) == 0, "%s", diag.text);
    expect(map_read_file(c->outputs, OUTPUTS_MAX, &want, &diag) == 0, "%s", diag.text);
    unlink(out);
    bool ok = got.size == want.size;
    if (!ok)
        printf("%s, %s: %zu bytes of outputs instead of %zu\n", c->name, how, got.size, want.size);
    ok = ok && golden_compare(c, c->n, got.data, want.data);
    map_deinit(&got);
    map_deinit(&want);
    return ok;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: golden-edgectl EDGED EDGECTL OPS-DIR\n");
        return 2;
    }
    struct fixture f = {.edgectl = argv[2]};
    struct golden_cases cases;
    size_t failed = 0;
    golden_cases_read(argv[3], shared_dir(), &cases);
    process_prepare(&f.process);
    for (size_t i = 0; i < cases.n; i++)
        failed += !import(&f, &cases.cases[i], i ? &cases.cases[i - 1] : NULL);
    process_start(&f.process, argv[1], "", 0);
    for (size_t i = 0; i < cases.n; i++)
        for (int local = 0; local < 2; local++)
            failed += !check(&f, &cases.cases[i], local == 1);
    process_stop(&f.process);
    printf("%zu sets, each through the daemon and with --local: %zu failures\n", cases.n, failed);
    golden_cases_free(&cases);
    return failed ? 1 : 0;
}
