/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recipes of recipes/ give the figures that recipes/README.md states, and every recipe there is in its table.
 *
 *     recipes EDGECTL RECIPES-DIR [SETS-DIR]
 *
 * SETS-DIR: prepared data sets, mnist/train and so on; without it, what the shared folder has.
 */

#include <cjson/cJSON.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "tests/eval/command.h"
#include "tests/eval/mnist.h"
#include "tests/load/outcome.h"
#include "tests/shared.h"

#define MAX_PATH 4096
#define BYTES_BOUND 0.02
#define POINTS_BOUND 0.5

struct row {
    char recipe[64], network[128], data[32], calibrated[8];
    double kib_before, kib_after, test_before, test_after;
};

struct fixture {
    const char *edgectl, *recipes, *sets;
    char dir[64]; /* MNIST's test part is unpacked here, and networks are written */
    bool has_mnist;
};

/* "| [name](name.json) | network | data | yes | 1 KiB | 2 KiB | 3 % | 4 % | …" */
static bool read_row(const char *line, struct row *ret) {
    return sscanf(line,
                  "| [%63[^]]](%*[^)]) | %127[^ |] | %31[^ |] | %7[^ |] | %lf KiB | %lf KiB | %lf "
                  "%% | %lf %%",
                  ret->recipe, ret->network, ret->data, ret->calibrated, &ret->kib_before,
                  &ret->kib_after, &ret->test_before, &ret->test_after) == 8;
}

static double number(const cJSON *json, const char *object, const char *member) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, object);
    if (strcmp(member, "bytes"))
        item = cJSON_GetObjectItemCaseSensitive(item, "test");
    item = cJSON_GetObjectItemCaseSensitive(item, member);
    expect(cJSON_IsNumber(item), "no %s of %s in the report", member, object);
    return item->valuedouble;
}

static void check_figures(const struct row *row, const cJSON *json) {
    const double kib[] = {number(json, "before", "bytes") / 1024,
                          number(json, "after", "bytes") / 1024};
    const double test[] = {100 * number(json, "before", "score"),
                           100 * number(json, "after", "score")};
    printf("%s: %.1f -> %.1f KiB, %.2f -> %.2f %%\n", row->recipe, kib[0], kib[1], test[0],
           test[1]);
    expect(fabs(kib[0] - row->kib_before) <= BYTES_BOUND * row->kib_before &&
               fabs(kib[1] - row->kib_after) <= BYTES_BOUND * row->kib_after,
           "%s: the table says %.1f -> %.1f KiB", row->recipe, row->kib_before, row->kib_after);
    expect(fabs(test[0] - row->test_before) <= POINTS_BOUND &&
               fabs(test[1] - row->test_after) <= POINTS_BOUND,
           "%s: the table says %.2f -> %.2f %%", row->recipe, row->test_before, row->test_after);
}

/* Where the parts of a data set are; false: not here. */
static bool find_data(const struct fixture *f, const char *data, char *ret_train, char *ret_test) {
    bool shared = strcmp(data, "wakeword6") == 0;
    snprintf(ret_train, MAX_PATH, "%s/%s/%s/train",
             shared    ? shared_dir()
             : f->sets ? f->sets
                       : "",
             shared ? "eval" : ".", data);
    snprintf(ret_test, MAX_PATH, "%s/%s/%s/test",
             shared    ? shared_dir()
             : f->sets ? f->sets
                       : "",
             shared ? "eval" : ".", data);
    if (shared || f->sets)
        return access(ret_test, R_OK) == 0;
    *ret_train = 0;
    snprintf(ret_test, MAX_PATH, "%s", f->dir);
    return strcmp(data, "mnist") == 0 && f->has_mnist;
}

static bool find_network(const char *name, char *ret) {
    static const char *const folders[] = {"models/ours", "models/mlperf-tiny"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(ret, MAX_PATH, "%s/%s/%s", shared_dir(), folders[i], name);
        if (access(ret, R_OK) == 0)
            return true;
    }
    return false;
}

/* Whether it could be run here. */
static bool check(const struct fixture *f, const struct row *row) {
    char network[MAX_PATH], train[MAX_PATH], test[MAX_PATH];
    char recipe[MAX_PATH], out[MAX_PATH];
    bool here = find_network(row->network, network) && find_data(f, row->data, train, test);
    if (!here || (strcmp(row->calibrated, "yes") == 0 && !*train)) {
        printf("SKIPPED: %s, for lack of %s or prepared %s\n", row->recipe, row->network,
               row->data);
        return false;
    }
    snprintf(recipe, sizeof(recipe), "%s/%s.json", f->recipes, row->recipe);
    snprintf(out, sizeof(out), "%s/out.edge", f->dir);
    const char *const argv[] = {f->edgectl,
                                "compress",
                                network,
                                "-o",
                                out,
                                "--recipe",
                                recipe,
                                "--test",
                                test,
                                "--json",
                                *train ? "--calibrate" : NULL,
                                train,
                                NULL};
    char *text = command_output(argv);
    cJSON *json = cJSON_Parse(text);
    expect(json, "compress printed no JSON: %s", text);
    check_figures(row, json);
    cJSON_Delete(json);
    free(text);
    return true;
}

/* Every file has a row. */
static void check_complete(const struct fixture *f, const char *page) {
    char pattern[MAX_PATH];
    glob_t files;
    snprintf(pattern, sizeof(pattern), "%s/*.json", f->recipes);
    expect(glob(pattern, 0, NULL, &files) == 0, "no recipes in %s", f->recipes);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char link[MAX_PATH];
        snprintf(link, sizeof(link), "](%s)", strrchr(files.gl_pathv[i], '/') + 1);
        expect(strstr(page, link), "README.md has no figures of %s", files.gl_pathv[i]);
    }
    globfree(&files);
}

static void clean(const struct fixture *f) {
    static const char *const names[] = {"x.npy", "y.npy", "out.edge"};
    char path[MAX_PATH];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
}

static char *read_page(const char *folder) {
    static char page[1 << 16];
    char path[MAX_PATH];
    snprintf(path, sizeof(path), "%s/README.md", folder);
    FILE *file = fopen(path, "re");
    expect(file, "%s: %s", path, strerror(errno));
    page[fread(page, 1, sizeof(page) - 1, file)] = 0;
    fclose(file);
    return page;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: recipes EDGECTL RECIPES-DIR [SETS-DIR]\n");
        return 2;
    }
    struct fixture f = {.edgectl = argv[1], .recipes = argv[2], .sets = argv[3]};
    char path[MAX_PATH];
    char *page = read_page(f.recipes);
    check_complete(&f, page);
    snprintf(f.dir, sizeof(f.dir), "/tmp/edged-recipes-XXXXXX");
    expect(mkdtemp(f.dir), "%s: %s", f.dir, strerror(errno));
    snprintf(path, sizeof(path), "%s/data/mnist", shared_dir());
    f.has_mnist = !f.sets && access(path, R_OK) == 0 && mnist_unpack(path, f.dir);
    int rows = 0, run = 0;
    for (char *line = strtok(page, "\n"); line; line = strtok(NULL, "\n")) {
        struct row row;
        if (!read_row(line, &row))
            continue;
        rows++;
        run += check(&f, &row);
    }
    clean(&f);
    expect(rows > 0, "README.md has no rows");
    return run ? 0 : 77;
}
