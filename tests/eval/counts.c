/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many inputs the networks of this project get right, through a running daemon and in edgectl itself: exactly the
 * counts that their README states for integer arithmetic with single rounding.
 *
 *     counts EDGED EDGECTL NETWORKS-DIR
 */

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/attributes.h"
#include "tests/eval/command.h"
#include "tests/eval/mnist.h"
#include "tests/load/outcome.h"
#include "tests/load/process.h"
#include "tests/shared.h"

struct row {
    const char *network;
    const char *data; /* under the shared folder; NULL: MNIST */
    int n, correct;
};

static const struct row rows[] = {
    {"wakeword6_int8", "eval/wakeword6/test", 360, 358},
    {"wakeword6_int8", "eval/wakeword6/val", 338, 334},
    {"wakeword6_int8", "eval/wakeword6/tts-heldout-voices", 460, 438},
    {"lenet300_int8", NULL, 10000, 9903},
    {"lenet5_int8", NULL, 10000, 9941},
};
static const char *const networks[] = {"wakeword6_int8", "lenet300_int8", "lenet5_int8"};

struct fixture {
    struct process process;
    const char *edgectl;
    char mnist[PROCESS_MAX_PATH];
};

static void import(const struct fixture *f, const char *folder, const char *name) {
    char from[4096], to[4096];
    snprintf(from, sizeof(from), "%s/%s.tflite", folder, name);
    snprintf(to, sizeof(to), "%s/%s.edge", f->process.models, name);
    const char *const argv[] = {f->edgectl, "import", from, "-o", to, "--name", name, NULL};
    free(command_output(argv));
}

static int number(const cJSON *json, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    expect(cJSON_IsNumber(item), "no %s in the output of eval", key);
    return item->valueint;
}

static void check(const struct fixture *f, const struct row *row, bool local) {
    char data[4096], file[4096];
    if (row->data)
        snprintf(data, sizeof(data), "%s/%s", shared_dir(), row->data);
    else
        snprintf(data, sizeof(data), "%s", f->mnist);
    snprintf(file, sizeof(file), "%s/%s.edge", f->process.models, row->network);
    const char *const by_daemon[] = {f->edgectl, "eval",     row->network,      "--data", data,
                                     "--json",   "--socket", f->process.socket, NULL};
    const char *const by_itself[] = {f->edgectl, "eval",   file,      "--data",
                                     data,       "--json", "--local", NULL};
    char *text = command_output(local ? by_itself : by_daemon);
    cJSON *json = cJSON_Parse(text);
    expect(json, "eval printed no JSON: %s", text);
    printf("%s, %s, %s: %d of %d\n", row->network, row->data ? row->data : "MNIST test",
           local ? "--local" : "daemon", number(json, "correct"), number(json, "n"));
    expect(number(json, "n") == row->n && number(json, "correct") == row->correct,
           "%d of %d are due", row->correct, row->n);
    cJSON_Delete(json);
    free(text);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: counts EDGED EDGECTL NETWORKS-DIR\n");
        return 2;
    }
    if (!shared_present("eval/wakeword6") || !shared_present("data/mnist"))
        return 77;
    struct fixture f = {.edgectl = argv[2]};
    process_prepare(&f.process);
    snprintf(f.mnist, sizeof(f.mnist), "%s/mnist", f.process.dir);
    expect(mkdir(f.mnist, 0700) == 0, "mkdir: %s", strerror(errno));
    for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
        import(&f, argv[3], networks[i]);
    char folder[4096];
    snprintf(folder, sizeof(folder), "%s/data/mnist", shared_dir());
    bool with_mnist = mnist_unpack(folder, f.mnist);
    if (!with_mnist)
        printf("SKIPPED: MNIST, since there is no xz to unpack it\n");
    process_start(&f.process, argv[1], "", 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int local = 0; local < 2; local++)
            if (rows[i].data || (with_mnist && !(local && OUTCOME_SANITIZED)))
                check(&f, &rows[i], local == 1);
    if (OUTCOME_SANITIZED)
        printf("SKIPPED: MNIST with --local, which takes minutes with a sanitizer\n");
    process_stop(&f.process);
    return 0;
}
