/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page: figures first, then how they came about. Every number of the document that is shown rounded stands exactly
 * in a <data> element's value.
 */

#include "compress/report-html.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/error.h"
#include "compress/report-private.h"

typedef const char *(*format_fn)(double value, char *ret);

/* ---- reading the document ---- */

double report_number(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

const char *report_string(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static const cJSON *get(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static bool is_mse(const cJSON *report) {
    return strcmp(report_string(report, "metric"), "mse") == 0;
}

const char *report_score(const cJSON *report, double score, char *ret) {
    if (isnan(score))
        snprintf(ret, MARKUP_MAX_NUMBER, "–");
    else if (is_mse(report))
        snprintf(ret, MARKUP_MAX_NUMBER, "%.4g", score);
    else
        snprintf(ret, MARKUP_MAX_NUMBER, "%.2f\u00a0%%", 100 * score);
    return ret;
}

/* A difference keeps its sign; the minus is one. */
static const char *signed_number(double value, const char *unit, char *ret) {
    double rounded = round(value * 100) / 100;
    if (isnan(value))
        snprintf(ret, MARKUP_MAX_NUMBER, "–");
    else
        snprintf(ret, MARKUP_MAX_NUMBER, "%s%.2f%s", rounded < 0 ? "−" : "", fabs(rounded), unit);
    return ret;
}

const char *report_drop(const cJSON *report, double drop, char *ret) {
    return signed_number(drop, is_mse(report) ? "\u00a0%" : "\u00a0points", ret);
}

/* ---- pieces ---- */

/* A number as people read it, and exactly for programs. */
static void number(struct markup *m, double value, format_fn format) {
    char text[MARKUP_MAX_NUMBER];
    if (isnan(value))
        markup_raw(m, "–");
    else
        markup_raw(m, "<data value=\"%.17g\">%s</data>", value, format(value, text));
}

static void number_cell(struct markup *m, double value, format_fn format) {
    markup_raw(m, "<td class=\"r\">");
    number(m, value, format);
    markup_raw(m, "</td>");
}

static void score_value(struct markup *m, const cJSON *report, double score) {
    char text[MARKUP_MAX_NUMBER];
    if (isnan(score))
        markup_raw(m, "–");
    else
        markup_raw(m, "<data value=\"%.17g\">%s</data>", score, report_score(report, score, text));
}

static const char *percent(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.1f\u00a0%%", 100 * value);
    return ret;
}

static const char *one_digit(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.1f", value);
    return ret;
}

static const char *whole_number(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.0f", value);
    return ret;
}

static const char *short_number(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.4g", value);
    return ret;
}

static const char *two_digits(double value, char *ret) {
    return signed_number(value, "", ret);
}

/* "94.3 M" keeps tiles narrow. */
static const char *large_count(double value, char *ret) {
    bool millions = value >= 999500;
    if (value < 1e5)
        return markup_count(value, ret);
    snprintf(ret, MARKUP_MAX_NUMBER, "%.*f\u00a0%s", value >= 1e8 || !millions ? 0 : 1,
             value / (millions ? 1e6 : 1e3), millions ? "M" : "k");
    return ret;
}

/* ---- the figures on top ---- */

static void bars(struct markup *m, double before, double after) {
    double most = fmax(before, after);
    markup_raw(
        m,
        "<svg viewBox=\"0 0 100 14\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect "
        "class=\"bar before\" width=\"%.2f\" height=\"5\" rx=\"1\"/><rect class=\"bar after\" "
        "y=\"8\" width=\"%.2f\" height=\"5\" rx=\"1\"/></svg>",
        100 * before / most, fmax(100 * after / most, 0.8));
}

static void tile(struct markup *m, const cJSON *report, const char *title, const char *name,
                 const char *word, format_fn format) {
    char text[MARKUP_MAX_NUMBER];
    double before = report_number(get(report, "before"), name);
    double after = report_number(get(report, "after"), name);
    if (!(before > 0) || !(after > 0))
        return;
    markup_raw(m, "<div class=\"tile\"><h3>%s</h3><strong>%s<small>%s</small></strong><p>", title,
               markup_ratio(before / after, text), word);
    number(m, before, format);
    markup_raw(m, " → ");
    number(m, after, format);
    markup_raw(m, "</p>");
    bars(m, before, after);
    markup_raw(m, "</div>\n");
}

static const char *metric_title(const cJSON *report) {
    return is_mse(report)                                        ? "Mean squared error"
           : strcmp(report_string(report, "metric"), "auc") == 0 ? "Area under the curve"
                                                                 : "Accuracy";
}

/* What it cost: on the test part where there is one. */
static void score_tile(struct markup *m, const cJSON *report) {
    char text[MARKUP_MAX_NUMBER], low[MARKUP_MAX_NUMBER], high[MARKUP_MAX_NUMBER];
    const cJSON *before = get(report, "before"), *after = get(report, "after");
    bool test = get(before, "test") && get(after, "test");
    if (test) {
        before = get(before, "test");
        after = get(after, "test");
    }
    if (isnan(report_number(after, "score")))
        return;
    markup_raw(m, "<div class=\"tile\"><h3>%s, %s data</h3><strong>", metric_title(report),
               test ? "test" : "validation");
    score_value(m, report, report_number(after, "score"));
    markup_raw(m, "</strong><p>was ");
    score_value(m, report, report_number(before, "score"));
    markup_raw(m, "</p><p>drop %s</p><p class=\"note\">95&nbsp;%%: %s to %s</p></div>\n",
               report_drop(report, report_number(after, "drop"), text),
               two_digits(report_number(after, "drop_low"), low),
               report_drop(report, report_number(after, "drop_high"), high));
}

static void tiles(struct markup *m, const cJSON *report) {
    markup_raw(m, "<div class=\"tiles\">\n");
    tile(m, report, "File", "bytes", "smaller", markup_bytes);
    score_tile(m, report);
    tile(m, report, "Latency, median", "latency_us", "faster", markup_us);
    tile(m, report, "Memory while loaded", "memory", "smaller", markup_bytes);
    tile(m, report, "Weights that are not zero", "nonzeros", "fewer", large_count);
    tile(m, report, "Multiplications needed", "effective_macs", "fewer", large_count);
    markup_raw(m, "</div>\n");
}

/* ---- tables ---- */

struct column {
    const char *title;
    bool right;
};

static void table_begin(struct markup *m, const struct column *columns, size_t n) {
    markup_raw(m, "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for (size_t i = 0; i < n; i++)
        markup_raw(m, "<th%s>%s</th>", columns[i].right ? " class=\"r\"" : "", columns[i].title);
    markup_raw(m, "</tr></thead><tbody>\n");
}

static void table_end(struct markup *m) {
    markup_raw(m, "</tbody></table></div>\n");
}

static void step_row(struct markup *m, const cJSON *report, const cJSON *step, int i) {
    markup_raw(m, "<tr><td class=\"r\">%d</td>", i);
    markup_wrap(m, "<td>", report_string(step, "pass"), "</td>");
    markup_wrap(m, "<td class=\"wide\">", report_string(step, "summary"), "</td>");
    number_cell(m, report_number(step, "bytes"), markup_bytes);
    number_cell(m, report_number(step, "nonzeros"), markup_count);
    number_cell(m, report_number(step, "macs"), large_count);
    markup_raw(m, "<td class=\"r\">");
    score_value(m, report, report_number(step, "score"));
    markup_raw(m, "</td></tr>\n");
}

static void steps(struct markup *m, const cJSON *report) {
    static const struct column columns[] = {
        {"", true},          {"pass", false}, {"what it did", false}, {"file", true},
        {"non-zeros", true}, {"MACs", true},  {"score", true}};
    const cJSON *list = get(report, "steps"), *step;
    int i = 1;
    if (!cJSON_GetArraySize(list))
        return;
    markup_raw(m, "<section><h2>Steps</h2>\n");
    table_begin(m, columns, ARRAY_SIZE(columns));
    cJSON_ArrayForEach(step, list) step_row(m, report, step, i++);
    table_end(m);
    markup_raw(m, "</section>\n");
}

static void choices(struct markup *m, const cJSON *report) {
    static const struct column columns[] = {
        {"layer", false}, {"technique", false}, {"strength", true}, {"why", false}};
    const cJSON *list = get(report, "choices"), *choice;
    if (!cJSON_GetArraySize(list))
        return;
    markup_raw(m, "<section><h2>Choices</h2>\n");
    table_begin(m, columns, ARRAY_SIZE(columns));
    cJSON_ArrayForEach(choice, list) {
        markup_wrap(m, "<tr><td class=\"name\">", report_string(choice, "layer"), "</td>");
        markup_wrap(m, "<td>", report_string(choice, "technique"), "</td>");
        number_cell(m, report_number(choice, "strength"), short_number);
        markup_wrap(m, "<td class=\"wide\">", report_string(choice, "why"), "</td></tr>\n");
    }
    table_end(m);
    markup_raw(m, "</section>\n");
}

static void shape_cell(struct markup *m, const cJSON *layer) {
    const cJSON *dim, *dims = get(layer, "shape");
    markup_raw(m, "<td class=\"r\">");
    cJSON_ArrayForEach(dim, dims)
        markup_raw(m, "%s%.0f", dim == dims->child ? "" : "×", dim->valuedouble);
    markup_raw(m, "</td>");
}

static void layer_row(struct markup *m, const cJSON *layer) {
    const char *name = report_string(layer, "name"), *was = report_string(layer, "was");
    markup_wrap(m, "<tr><td class=\"name\">", name, "");
    if (*was && strcmp(was, name))
        markup_wrap(m, " <span class=\"note\">of ", was, "</span>");
    markup_wrap(m, "</td><td>", report_string(layer, "kind"), "</td>");
    shape_cell(m, layer);
    number_cell(m, report_number(layer, "parameters"), markup_count);
    number_cell(m, report_number(layer, "density"), percent);
    number_cell(m, report_number(layer, "bits"), short_number);
    number_cell(m, report_number(layer, "bytes_stored"), markup_bytes);
    markup_wrap(m, "<td>", report_string(layer, "encoding"), "</td>");
    number_cell(m, report_number(layer, "bytes_memory"), markup_bytes);
    number_cell(m, report_number(layer, "effective_macs"), large_count);
    number_cell(m, report_number(layer, "sqnr_db"), one_digit);
    number_cell(m, report_number(layer, "cost"), two_digits);
    markup_wrap(m, "<td><code>", report_string(layer, "kernel"), "</code></td>");
    markup_wrap(m, "<td class=\"why note\">", report_string(layer, "why"), "</td></tr>\n");
}

static void layers(struct markup *m, const cJSON *report) {
    static const struct column columns[] = {
        {"layer", false},     {"kind", false},       {"weights", true},
        {"parameters", true}, {"not zero", true},    {"bits", true},
        {"stored", true},     {"as", false},         {"memory", true},
        {"MACs left", true},  {"SQNR,<br>dB", true}, {"own cost,<br>points", true},
        {"kernel", false},    {"why", false}};
    static const struct column error_columns[] = {{"own cost,<br>%", true}};
    const cJSON *list = get(report, "layers"), *layer;
    struct column shown[ARRAY_SIZE(columns)];
    if (!cJSON_GetArraySize(list))
        return;
    memcpy(shown, columns, sizeof(columns));
    if (is_mse(report))
        shown[11] = error_columns[0];
    markup_raw(m, "<section><h2>Layers</h2>\n<p class=\"note\">SQNR: how far the layer's output "
                  "stands above what its change does to it, in the written network. Own cost: "
                  "how much worse the network is where only this layer is changed.</p>\n");
    table_begin(m, shown, ARRAY_SIZE(shown));
    cJSON_ArrayForEach(layer, list) layer_row(m, layer);
    table_end(m);
    markup_raw(m, "</section>\n");
}

/* ---- how ---- */

static void data_row(struct markup *m, const cJSON *report, const char *name, const char *what) {
    char n[MARKUP_MAX_NUMBER];
    const cJSON *set = get(get(report, "data"), name);
    if (!set)
        return;
    markup_wrap(m, "<dt>", what, "</dt>");
    markup_wrap(m, "<dd><code>", report_string(set, "path"), "</code>, ");
    markup_raw(m, "%s samples</dd>\n", markup_count(report_number(set, "n"), n));
}

static void method(struct markup *m, const cJSON *report) {
    markup_raw(m, "<section><h2>How it was measured</h2>\n<dl>\n");
    markup_wrap(m, "<dt>network</dt><dd>", report_string(report, "input"), "</dd>\n");
    markup_wrap(m, "<dt>CPU</dt><dd>", report_string(get(report, "machine"), "cpu"), "</dd>\n");
    markup_wrap(m, "<dt>tier</dt><dd>", report_string(get(report, "machine"), "tier"), "</dd>\n");
    data_row(m, report, "calibrate", "calibration");
    data_row(m, report, "eval", "validation");
    data_row(m, report, "test", "test");
    markup_raw(m, "<dt>seed</dt><dd>");
    number(m, report_number(report, "seed"), whole_number);
    markup_raw(m, "</dd>\n</dl>\n");
    markup_raw(m, "<p class=\"note\">Bytes are those of whole files. Memory is the image that is "
                  "shared by all who use the network and the scratch of one run. Latency is the "
                  "median of single runs on one thread, before and after in turn in one "
                  "process. Intervals are 95 %% confidence intervals, those of drops from pairs "
                  "of answers to the same samples. Passes look at calibration data only, "
                  "choices are made on validation data, test data is looked at once, at the end."
                  "</p></section>\n");
}

static void recipe(struct markup *m, const cJSON *report) {
    char *text = get(report, "recipe") ? cJSON_Print(get(report, "recipe")) : NULL;
    if (!text)
        return;
    markup_wrap(m, "<section><h2>Recipe</h2>\n<pre>", text, "</pre></section>\n");
    cJSON_free(text);
}

/* ---- the page ---- */

static void head(struct markup *m, const cJSON *report) {
    char ratio[MARKUP_MAX_NUMBER];
    const cJSON *before = get(report, "before"), *after = get(report, "after");
    markup_raw(m, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    markup_wrap(m, "<title>", report_string(report, "model"), ", compressed</title>\n");
    markup_raw(m, "<style>\n%s</style>\n</head>\n<body>\n<main>\n<header>\n", report_style);
    markup_wrap(m, "<h1>", report_string(report, "model"), "");
    markup_raw(m, ", %s&nbsp;smaller</h1>\n<p class=\"note\">",
               markup_ratio(report_number(before, "bytes") / report_number(after, "bytes"), ratio));
    markup_wrap(m, "What was done to ", report_string(report, "input"),
                ", what it saves and what it costs; on ");
    markup_wrap(m, "", report_string(get(report, "machine"), "cpu"), ", tier ");
    markup_wrap(m, "", report_string(get(report, "machine"), "tier"), ".</p>\n</header>\n");
}

int report_html(const cJSON *report, struct buffer *buffer) {
    struct markup m = {.out = buffer};
    head(&m, report);
    tiles(&m, report);
    report_trade_offs(&m, report);
    choices(&m, report);
    steps(&m, report);
    layers(&m, report);
    report_sensitivity(&m, report);
    report_histograms(&m, report);
    recipe(&m, report);
    method(&m, report);
    markup_raw(&m, "</main>\n</body>\n</html>\n");
    return m.err;
}
