/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target on nothing, and on the files and the files of the directories named on the command line: what a
 * compiler without libFuzzer builds, and what `meson test` runs on tests/fuzz/corpus.
 */

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"

#define REPLAY_MAX_BYTES ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    _cleanup_(map_deinit) struct map map = {0};
    struct diag diag;
    if (map_read_file(path, REPLAY_MAX_BYTES, &map, &diag)) {
        fprintf(stderr, "%s\n", diag.text);
        return -1;
    }
    LLVMFuzzerTestOneInput(map.data, map.size);
    return 1;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int replay_dir(const char *dir) {
    struct dirent **names;
    int count = scandir(dir, &names, visible, alphasort);
    if (count < 0) {
        perror(dir);
        return -1;
    }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        failed |= n < 0 || (size_t)n >= sizeof(path) || replay_file(path) < 0;
        free(names[i]);
    }
    free(names);
    return failed ? -1 : count;
}

int main(int argc, char **argv) {
    int total = 0;
    LLVMFuzzerTestOneInput(NULL, 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int n = dir ? replay_dir(argv[i]) : replay_file(argv[i]);
        if (n < 0)
            return EXIT_FAILURE;
        total += n;
    }
    printf("%d inputs replayed\n", total);
    return EXIT_SUCCESS;
}
