/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures crossovers, prints them as a table or as JSON, writes the file that edged reads.
 */

#include "client/edgectl/crossover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "client/edgectl/ctl.h"
#include "client/edgectl/table.h"
#include "runtime/crossover.h"

typedef struct crossover_result results_by_pattern[KERN_PATTERN_END];

static int measure(enum tier tier, results_by_pattern *ret) {
    int r = 0;
    for (unsigned k = 0; k < SPARSE_KIND_END && !r; k++)
        for (unsigned p = 0; p < KERN_PATTERN_END && !r; p++)
            r = crossover_measure(tier, (enum sparse_kind)k, (enum kern_pattern)p, &ret[k][p]);
    return r;
}

static int print_text(const struct ctl *ctl, const results_by_pattern *results) {
    static const char *const titles[] = {"product", "pattern", ">5 %",  ">10 %", ">20 %",
                                         ">30 %",   ">40 %",   ">50 %", ">65 %", ">80 %",
                                         ">up to",  "sparse",  "dense"};
    _Static_assert(ARRAY_SIZE(titles) == CROSSOVER_DENSITIES + 5, "a title for each density");
    struct table t;
    table_init(&t, titles, ARRAY_SIZE(titles));
    for (unsigned k = 0; k < SPARSE_KIND_END; k++) {
        for (unsigned p = 0; p < KERN_PATTERN_END; p++) {
            const struct crossover_result *result = &results[k][p];
            if (!result->sparse)
                continue;
            table_add(&t, "%s", sparse_kind_name((enum sparse_kind)k));
            table_add(&t, "%s", sparse_pattern_name((enum kern_pattern)p));
            for (unsigned i = 0; i < CROSSOVER_DENSITIES; i++)
                table_add(&t, "%.2f", result->ratio[i]);
            table_add(&t, "%.2f", (double)result->crossover);
            table_add(&t, "%s", result->sparse);
            table_add(&t, "%s", result->dense);
        }
    }
    printf("%s: time of the dense kernel by that of the sparse one, by the part of the blocks that "
           "is left\n",
           tier_name(ctl->tier));
    int r = table_print(&t);
    table_deinit(&t);
    return r ? ctl_fail(ctl, "out of memory") : CTL_DONE;
}

static int print_json(const struct ctl *ctl, const results_by_pattern *results) {
    cJSON *d = cJSON_CreateObject();
    cJSON_AddStringToObject(d, "cpu", tier_name(ctl->tier));
    cJSON *rows = cJSON_AddArrayToObject(d, "crossovers");
    for (unsigned k = 0; k < SPARSE_KIND_END; k++) {
        for (unsigned p = 0; p < KERN_PATTERN_END; p++) {
            const struct crossover_result *result = &results[k][p];
            if (!result->sparse)
                continue;
            cJSON *row = cJSON_CreateObject();
            cJSON_AddStringToObject(row, "product", sparse_kind_name((enum sparse_kind)k));
            cJSON_AddStringToObject(row, "pattern", sparse_pattern_name((enum kern_pattern)p));
            cJSON_AddNumberToObject(row, "crossover", (double)result->crossover);
            cJSON_AddStringToObject(row, "sparse", result->sparse);
            cJSON_AddStringToObject(row, "dense", result->dense);
            cJSON_AddItemToObject(
                row, "densities",
                cJSON_CreateDoubleArray(crossover_densities, CROSSOVER_DENSITIES));
            cJSON_AddItemToObject(row, "ratios",
                                  cJSON_CreateDoubleArray(result->ratio, CROSSOVER_DENSITIES));
            cJSON_AddItemToArray(rows, row);
        }
    }
    return ctl_print_json(ctl, d);
}

static int write_file(const struct ctl *ctl, const char *file, const results_by_pattern *results) {
    char text[CROSSOVER_TEXT_MAX];
    crossover_format(ctl->tier, results, text);
    FILE *f = fopen(file, "we");
    if (!f)
        return ctl_fail(ctl, "%s: %s", file, strerror(errno));
    bool good = fprintf(f, "# Made by edgectl bench --crossover.\n%s", text) > 0;
    if (fclose(f) != 0)
        good = false;
    return good ? CTL_DONE : ctl_fail(ctl, "%s: %s", file, strerror(errno));
}

int crossover_bench(const struct ctl *ctl, const char *file) {
    results_by_pattern results[SPARSE_KIND_END];
    if (measure(ctl->tier, results))
        return ctl_fail(ctl, "out of memory");
    int r = file ? write_file(ctl, file, results) : CTL_DONE;
    if (r)
        return r;
    return ctl->json ? print_json(ctl, results) : print_text(ctl, results);
}
