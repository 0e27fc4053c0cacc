/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl compress with budgets: the recipe is searched for.
 */

#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "client/edgectl/compress.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/progress.h"
#include "compress/recipe.h"
#include "compress/report.h"
#include "compress/search.h"

/* The best of many networks on one sample of data is better there than elsewhere: over validation and labelled
 * calibration data together a drop counts as one standard error more than was measured. */
#define MARGIN 1.0

struct bar {
    struct progress progress;
    bool begun;
};

static void show(void *arg, uint32_t trials, uint32_t max_trials) {
    struct bar *bar = arg;
    if (!bar->begun)
        progress_init(&bar->progress, "search", max_trials);
    bar->begun = true;
    progress_update(&bar->progress, trials);
}

/* Its members become the report's. */
static int add_parts(struct report *report, cJSON *part) {
    static const char *const names[] = {"sensitivity", "points", "choices"};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++)
        r = report_add(report, names[i], cJSON_DetachItemFromObjectCaseSensitive(part, names[i]));
    return r;
}

static void print_choices(const cJSON *choices) {
    const cJSON *choice;
    cJSON_ArrayForEach(choice, choices) {
        printf("%s: %s, %s\n", cJSON_GetObjectItemCaseSensitive(choice, "layer")->valuestring,
               cJSON_GetObjectItemCaseSensitive(choice, "technique")->valuestring,
               cJSON_GetObjectItemCaseSensitive(choice, "why")->valuestring);
    }
    putchar('\n');
    fflush(stdout);
}

int compress_search(const struct ctl *ctl, const struct compress_budget *budget,
                    const struct graph *graph, const char *input, const struct dataset *calibration,
                    const struct dataset *validation, struct report *report,
                    struct recipe **ret_recipe, struct diag *diag) {
    struct bar bar = {0};
    const struct search_options options = {
        .metric = report_metric(report),
        .max_drop = budget->max_drop,
        .margin = MARGIN,
        .max_bytes = budget->max_bytes,
        .max_latency_us = budget->max_latency_us,
        .fastest = budget->fastest,
        .preset = budget->preset,
        .input = input,
        .seed = budget->seed ? budget->seed : 1,
        .max_seconds = budget->max_seconds,
        .tier = ctl->tier,
        .progress = show,
        .progress_arg = &bar,
    };
    cJSON *part = NULL, *recipe = NULL;
    int r = search_run(&options, graph, calibration, validation, &part, &recipe, diag);
    if (bar.begun)
        progress_end(&bar.progress);
    if (r)
        return r;
    if (!ctl->json)
        print_choices(cJSON_GetObjectItemCaseSensitive(part, "choices"));
    r = recipe_from_json(recipe, ret_recipe, diag);
    if (r == 0)
        r = add_parts(report, part);
    cJSON_Delete(part);
    return r;
}
