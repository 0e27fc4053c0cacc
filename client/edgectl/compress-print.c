/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgectl compress for people on a terminal: a line for each step, and the figures at the end.
 */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "client/edgectl/compress.h"
#include "client/edgectl/table.h"

static const cJSON *get(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static double number(const cJSON *object, const char *name) {
    const cJSON *item = get(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

static bool is_mse(const cJSON *report) {
    return strcmp(get(report, "metric")->valuestring, "mse") == 0;
}

static const char *score_text(const cJSON *report, double score, char *ret) {
    snprintf(ret, HUMAN_MAX, is_mse(report) ? "%.4g" : "%.2f %%",
             is_mse(report) ? score : 100 * score);
    return ret;
}

void compress_print_step(const cJSON *report, int step) {
    const cJSON *json = cJSON_GetArrayItem(get(report, "steps"), step);
    char text[HUMAN_MAX];
    printf("%d. %s: %s; %s", step + 1, get(json, "pass")->valuestring,
           get(json, "summary")->valuestring, human_bytes((uint64_t)number(json, "bytes"), text));
    if (get(json, "score"))
        printf(", %s %s", get(report, "metric")->valuestring,
               score_text(report, number(json, "score"), text));
    putchar('\n');
    fflush(stdout);
}

typedef const char *(*human_fn)(uint64_t value, char *ret);

static void add_row(struct table *t, const cJSON *report, const char *what, const char *name,
                    human_fn human) {
    char text[HUMAN_MAX];
    table_add(t, "%s", what);
    table_add(t, "%s", human((uint64_t)number(get(report, "before"), name), text));
    table_add(t, "%s", human((uint64_t)number(get(report, "after"), name), text));
    table_add(t, "%s", "");
}

static const char *us_text(uint64_t ns, char *ret) {
    return human_ns((double)ns, ret);
}

static void add_latency(struct table *t, const cJSON *report) {
    char text[HUMAN_MAX];
    double before = 1e3 * number(get(report, "before"), "latency_us");
    double after = 1e3 * number(get(report, "after"), "latency_us");
    table_add(t, "latency, median");
    table_add(t, "%s", us_text((uint64_t)before, text));
    table_add(t, "%s", us_text((uint64_t)after, text));
    table_add(t, "%s", "");
}

/* For two digits behind the point, where a little less than nothing is nothing: never -0.00. */
static double hundredths(double value) {
    return round(100 * value) / 100 + 0.0;
}

static void add_score(struct table *t, const cJSON *report, const char *what, const cJSON *before,
                      const cJSON *after) {
    char text[HUMAN_MAX];
    const char *unit = is_mse(report) ? "%" : "points";
    if (!get(after, "score"))
        return;
    table_add(t, "%s, %s", get(report, "metric")->valuestring, what);
    table_add(t, "%s", score_text(report, number(before, "score"), text));
    table_add(t, "%s", score_text(report, number(after, "score"), text));
    table_add(t, "drop %.2f %s (95 %%: %.2f to %.2f)", hundredths(number(after, "drop")), unit,
              hundredths(number(after, "drop_low")), hundredths(number(after, "drop_high")));
}

int compress_print_figures(const cJSON *report) {
    static const char *const titles[] = {"", ">before", ">after", ""};
    const cJSON *before = get(report, "before"), *after = get(report, "after");
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    add_row(&t, report, "file", "bytes", human_bytes);
    add_row(&t, report, "memory", "memory", human_bytes);
    add_row(&t, report, "non-zeros", "nonzeros", human_count);
    add_row(&t, report, "MACs needed", "effective_macs", human_count);
    add_latency(&t, report);
    add_score(&t, report, "validation", before, after);
    add_score(&t, report, "test", get(before, "test"), get(after, "test"));
    int r = table_print(&t);
    table_deinit(&t);
    return r;
}
