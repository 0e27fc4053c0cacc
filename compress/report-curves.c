/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small diagrams, one for each layer: what techniques cost there, and how weights are distributed.
 */

#include "compress/report-private.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "compress/plot.h"

#define MAX_TECHNIQUES 8 /* more share the last one's colour */

/* ---- sensitivity ---- */

struct curves {
    const cJSON *report, *list;
    const char *techniques[MAX_TECHNIQUES];
    unsigned n_techniques;
    double bytes; /* of the whole network, before */
    struct axis x, y;
};

static unsigned technique_index(const struct curves *c, const char *name) {
    for (unsigned i = 0; i < c->n_techniques; i++)
        if (strcmp(c->techniques[i], name) == 0)
            return i;
    return MAX_TECHNIQUES - 1;
}

static void find_techniques(struct curves *c) {
    const cJSON *curve;
    cJSON_ArrayForEach(curve, c->list) {
        const char *name = report_string(curve, "technique");
        bool known = false;
        for (unsigned i = 0; i < c->n_techniques; i++)
            known = known || strcmp(c->techniques[i], name) == 0;
        if (!known && c->n_techniques < MAX_TECHNIQUES)
            c->techniques[c->n_techniques++] = name;
    }
}

/* How much of the network's bytes one layer alone saves. */
static double saved(const struct curves *c, const cJSON *point) {
    return fmax(0, 1 - report_number(point, "bytes") / c->bytes);
}

/* The same axes everywhere, so that layers can be compared. */
static void find_axes(struct curves *c) {
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(c->report, "before");
    double score = report_number(before, "score"), low = score, high = score, most = 0.01;
    bool falls = strcmp(report_string(c->report, "metric"), "mse") == 0;
    const cJSON *curve, *point;
    cJSON_ArrayForEach(curve, c->list) {
        cJSON_ArrayForEach(point, cJSON_GetObjectItemCaseSensitive(curve, "points")) {
            double y = report_number(point, "score");
            if (isfinite(y)) {
                low = fmin(low, y);
                high = fmax(high, y);
                most = fmax(most, saved(c, point));
            }
        }
    }
    if (falls)
        high = fmin(high, 4 * score);
    else
        low = fmax(low, score - 0.1);
    double around = fmax((high - low) * 0.08, 1e-6);
    axis_linear(&c->y, low - around, high + around, 4);
    axis_linear(&c->x, 0, most, 4);
}

static const char *percent(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.3g\u00a0%%", 100 * value);
    return ret;
}

static const char *plain(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.3g", value);
    return ret;
}

static void draw_curve(const struct curves *c, const struct plot *plot, const cJSON *curve) {
    char score[MARKUP_MAX_NUMBER];
    unsigned k = technique_index(c, report_string(curve, "technique"));
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(curve, "points"), *point;
    char step = 'M';
    markup_raw(plot->m, "<path class=\"curve c%u\" d=\"", k);
    cJSON_ArrayForEach(point, points) {
        if (!isfinite(report_number(point, "score")) || !isfinite(saved(c, point)))
            continue;
        markup_raw(plot->m, "%c%.1f %.1f", step, plot_x(plot, saved(c, point)),
                   plot_y(plot, report_number(point, "score")));
        step = 'L';
    }
    markup_raw(plot->m, "\"/>\n");
    cJSON_ArrayForEach(point, points) {
        if (!isfinite(report_number(point, "score")) || !isfinite(saved(c, point)))
            continue;
        markup_raw(plot->m, "<circle class=\"knot c%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>",
                   k, plot_x(plot, saved(c, point)), plot_y(plot, report_number(point, "score")));
        markup_text(plot->m, report_string(curve, "technique"));
        markup_raw(plot->m, " %g: %s</title></circle>\n", report_number(point, "strength"),
                   report_score(c->report, report_number(point, "score"), score));
    }
}

static void draw_layer(const struct curves *c, struct markup *m, const char *layer) {
    struct plot plot = {.m = m,
                        .width = 240,
                        .height = 170,
                        .left = 48,
                        .right = 12,
                        .top = 10,
                        .bottom = 24,
                        .x = c->x,
                        .y = c->y};
    bool falls = strcmp(report_string(c->report, "metric"), "mse") == 0;
    const cJSON *curve;
    markup_wrap(m, "<figure><figcaption>", layer, "</figcaption>");
    plot_begin(&plot, "Score against bytes saved in this layer");
    plot_axes(&plot, percent, falls ? plain : percent, "", "");
    cJSON_ArrayForEach(curve, c->list) {
        if (strcmp(report_string(curve, "layer"), layer) == 0)
            draw_curve(c, &plot, curve);
    }
    plot_end(&plot);
    markup_raw(m, "</figure>\n");
}

static bool is_first(const cJSON *list, const cJSON *curve) {
    const cJSON *other;
    cJSON_ArrayForEach(other, list) {
        if (strcmp(report_string(other, "layer"), report_string(curve, "layer")) == 0)
            return other == curve;
    }
    return false;
}

void report_sensitivity(struct markup *m, const cJSON *report) {
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(report, "before"), *curve;
    struct curves c = {.report = report,
                       .list = cJSON_GetObjectItemCaseSensitive(report, "sensitivity"),
                       .bytes = report_number(before, "bytes")};
    if (!cJSON_GetArraySize(c.list) || !isfinite(report_number(before, "score")))
        return;
    find_techniques(&c);
    find_axes(&c);
    markup_raw(
        m, "<section><h2>Sensitivity</h2>\n<p class=\"note\">One layer at a time, all others "
           "as they were: the score against the part of the network's bytes that it "
           "saves. What is worse than the diagram stands at its edge.</p>\n<p class=\"legend\">");
    for (unsigned i = 0; i < c.n_techniques; i++) {
        markup_raw(
            m, "<span><svg viewBox=\"0 0 22 14\"><path class=\"curve c%u\" d=\"M1 7H21\"/></svg>",
            i);
        markup_wrap(m, "", c.techniques[i], "</span> ");
    }
    markup_raw(m, "</p>\n<div class=\"multiples\">\n");
    cJSON_ArrayForEach(curve, c.list) {
        if (is_first(c.list, curve))
            draw_layer(&c, m, report_string(curve, "layer"));
    }
    markup_raw(m, "</div></section>\n");
}

/* ---- histograms ---- */

static double largest(const cJSON *histogram) {
    double most = 0;
    const cJSON *count;
    cJSON_ArrayForEach(count, cJSON_GetObjectItemCaseSensitive(histogram, "counts")) most =
        fmax(most, count->valuedouble);
    return most;
}

/* Bars from the bottom; as one path, so that a page with many layers stays small. */
static void draw_bars(const struct plot *plot, const cJSON *histogram, const char *class,
                      bool outline) {
    const cJSON *counts = cJSON_GetObjectItemCaseSensitive(histogram, "counts"), *count;
    double low = report_number(histogram, "min"), high = report_number(histogram, "max");
    double most = largest(histogram), base = plot->height - plot->bottom;
    int n = cJSON_GetArraySize(counts), i = 0;
    if (!n || !(high > low) || !(most > 0))
        return;
    markup_raw(plot->m, "<path class=\"%s\" d=\"M%.1f %.1f", class, plot_x(plot, low), base);
    cJSON_ArrayForEach(count, counts) {
        double right = low + (high - low) * (i + 1) / n;
        markup_raw(plot->m, "V%.1fH%.1f", base - (base - plot->top) * count->valuedouble / most,
                   plot_x(plot, right));
        i++;
    }
    markup_raw(plot->m, "V%.1f%s\"/>\n", base, outline ? "" : "z");
}

static void draw_range(const struct plot *plot) {
    double y = plot->height - plot->bottom;
    markup_raw(plot->m, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", plot->left, y,
               plot->width - plot->right);
    markup_raw(plot->m, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%.3g</text>", plot->left,
               y + 16, plot->x.low);
    markup_raw(plot->m,
               "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>",
               plot->width - plot->right, y + 16, plot->x.high);
    if (plot->x.low < 0 && plot->x.high > 0)
        markup_raw(plot->m,
                   "<path class=\"axis\" d=\"M%.1f %.1fv4\"/><text class=\"tick\" x=\"%.1f\" "
                   "y=\"%.1f\" text-anchor=\"middle\">0</text>\n",
                   plot_x(plot, 0), y, plot_x(plot, 0), y + 16);
}

static void draw_histogram(struct markup *m, const cJSON *layer) {
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(layer, "histogram_before");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(layer, "histogram_after");
    struct plot plot = {
        .m = m, .width = 240, .height = 130, .left = 8, .right = 8, .top = 8, .bottom = 24};
    double density = report_number(layer, "density");
    plot.x.low = fmin(report_number(before, "min"), report_number(after, "min"));
    plot.x.high = fmax(report_number(before, "max"), report_number(after, "max"));
    if (!(plot.x.high > plot.x.low))
        return;
    markup_wrap(m, "<figure><figcaption>", report_string(layer, "name"), "");
    if (density < 0.9995)
        markup_raw(m, " <span class=\"note\">%.1f %% zeros</span>", 100 * (1 - density));
    markup_raw(m, "</figcaption>");
    plot_begin(&plot, "Distribution of the weights before and after");
    draw_bars(&plot, after, "bars", false);
    draw_bars(&plot, before, "outline", true);
    draw_range(&plot);
    plot_end(&plot);
    markup_raw(m, "</figure>\n");
}

void report_histograms(struct markup *m, const cJSON *report) {
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(report, "layers"), *layer;
    if (!cJSON_GetArraySize(layers))
        return;
    markup_raw(
        m, "<section><h2>Weights</h2>\n<p class=\"note\">Real values of the weights that are "
           "not zero, each diagram to its own scale.</p>\n<p class=\"legend\"><span><svg "
           "viewBox=\"0 0 22 14\"><path class=\"outline\" d=\"M1 12V4H21V12\"/></svg>before"
           "</span> <span><svg viewBox=\"0 0 22 14\"><path class=\"bars\" d=\"M1 13V3H21V13z\"/>"
           "</svg>after</span></p>\n<div class=\"multiples\">\n");
    cJSON_ArrayForEach(layer, layers) draw_histogram(m, layer);
    markup_raw(m, "</div></section>\n");
}
