/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to the report's page: reading the document, and its diagrams. One thread.
 */

#include "compress/markup.h"

struct cJSON;

/* A member of an object; NAN, or "" where it is not there. `object` may be NULL. */
double report_number(const struct cJSON *object, const char *name);
const char *report_string(const struct cJSON *object, const char *name);

/* A score of the metric: "99.41 %", "0.0123"; how much worse it is: "0.12 points", "3.1 %". */
const char *report_score(const struct cJSON *report, double score, char *ret);
const char *report_drop(const struct cJSON *report, double drop, char *ret);

/* Each writes its section, or nothing where the document has nothing for it. */
void report_trade_offs(struct markup *m, const struct cJSON *report);
void report_sensitivity(struct markup *m, const struct cJSON *report);
void report_histograms(struct markup *m, const struct cJSON *report);

extern const char report_style[];
