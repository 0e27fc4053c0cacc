/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accuracy against size and against latency, with every point that was tried.
 */

#include "compress/report-private.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "compress/plot.h"

enum dot_kind { DOT_TRIED, DOT_MISSED, DOT_STEP, DOT_BEFORE, DOT_AFTER };

struct dot {
    double x, score;
    enum dot_kind kind;
    const char *label;
};

struct cloud {
    const cJSON *report;
    struct dot *dots;
    size_t n;
    bool falls; /* a low score is a good one */
    plot_format_fn x_format, x_tick;
    const char *x_title, *what;
    bool decimal;
};

static void add_dot(struct cloud *cloud, const cJSON *item, const char *x, enum dot_kind kind,
                    const char *label) {
    double value = report_number(item, x), score = report_number(item, "score");
    if (isfinite(value) && value > 0 && isfinite(score))
        cloud->dots[cloud->n++] = (struct dot){value, score, kind, label};
}

/* What was tried; without a search the steps of the recipe; before and after. */
static int collect(struct cloud *cloud, const char *x) {
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(cloud->report, "points");
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(cloud->report, "steps"), *item;
    int n = cJSON_GetArraySize(points) + cJSON_GetArraySize(steps) + 2;
    cloud->dots = calloc((size_t)n, sizeof(*cloud->dots));
    if (!cloud->dots)
        return err_origin(-ENOMEM);
    cJSON_ArrayForEach(item, points) {
        bool feasible = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "feasible"));
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "chosen")))
            add_dot(cloud, item, x, feasible ? DOT_TRIED : DOT_MISSED,
                    report_string(item, "label"));
    }
    if (!cJSON_GetArraySize(points)) {
        cJSON_ArrayForEach(item, steps)
            add_dot(cloud, item, x, DOT_STEP, report_string(item, "pass"));
    }
    add_dot(cloud, cJSON_GetObjectItemCaseSensitive(cloud->report, "before"), x, DOT_BEFORE,
            "before");
    add_dot(cloud, cJSON_GetObjectItemCaseSensitive(cloud->report, "after"), x, DOT_AFTER, "after");
    return 0;
}

static const struct dot *find(const struct cloud *cloud, enum dot_kind kind) {
    for (size_t i = 0; i < cloud->n; i++)
        if (cloud->dots[i].kind == kind)
            return &cloud->dots[i];
    return NULL;
}

/* Scores near those of before and after; what is far worse is drawn at the edge. */
static void score_axis(const struct cloud *cloud, struct axis *axis) {
    const struct dot *before = find(cloud, DOT_BEFORE), *after = find(cloud, DOT_AFTER);
    double best = before->score, worst = before->score;
    double limit = after ? 4 * fabs(before->score - after->score) : 0;
    limit = fmax(limit, cloud->falls ? before->score : 0.03);
    for (size_t i = 0; i < cloud->n; i++) {
        double score = cloud->dots[i].score;
        if (fabs(score - before->score) > limit)
            score = before->score + (cloud->falls ? limit : -limit);
        best = cloud->falls ? fmin(best, score) : fmax(best, score);
        worst = cloud->falls ? fmax(worst, score) : fmin(worst, score);
    }
    double low = fmin(best, worst), high = fmax(best, worst);
    double around = fmax((high - low) * 0.12, cloud->falls ? high * 0.02 : 0.002);
    low -= around;
    high += around;
    axis_linear(axis, cloud->falls ? fmax(low, 0) : low, cloud->falls ? high : fmin(high, 1.0005),
                6);
}

static void size_axis(const struct cloud *cloud, struct axis *axis) {
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < cloud->n; i++) {
        low = fmin(low, cloud->dots[i].x);
        high = fmax(high, cloud->dots[i].x);
    }
    axis_sizes(axis, low, high, 6, cloud->decimal);
}

static int by_x(const void *a, const void *b) {
    const struct dot *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x)
                        : (p->score < q->score) - (p->score > q->score);
}

/* From left to right: the best score that so much gives. */
static void draw_front(const struct cloud *cloud, const struct plot *plot) {
    bool begun = false;
    double best = 0;
    markup_raw(plot->m, "<path class=\"front\" d=\"");
    for (size_t i = 0; i < cloud->n; i++) {
        const struct dot *d = &cloud->dots[i];
        if (begun && !(cloud->falls ? d->score < best : d->score > best))
            continue;
        best = d->score;
        if (begun)
            markup_raw(plot->m, "H%.1fV%.1f", plot_x(plot, d->x), plot_y(plot, d->score));
        else
            markup_raw(plot->m, "M%.1f %.1f", plot_x(plot, d->x), plot_y(plot, d->score));
        begun = true;
    }
    markup_raw(plot->m, "H%.1f\"/>\n", plot->width - plot->right);
}

static bool is_outside(const struct plot *plot, const struct dot *dot) {
    return dot->score < plot->y.low || dot->score > plot->y.high;
}

/* The shape; one that points out of the diagram where the score is beyond it. */
static void draw_shape(const struct plot *plot, const struct dot *dot) {
    static const char *const classes[] = {"tried", "missed", "step", "before", "after"};
    double x = plot_x(plot, dot->x), y = plot_y(plot, dot->score);
    if (is_outside(plot, dot))
        markup_raw(plot->m, "<path class=\"dot %s\" d=\"M%.1f %.1fl4.5-7h-9z\">",
                   classes[dot->kind], x, y);
    else
        markup_raw(plot->m, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\">",
                   classes[dot->kind], x, y, dot->kind >= DOT_BEFORE ? "6" : "4");
}

static void draw_dot(const struct cloud *cloud, const struct plot *plot, const struct dot *dot) {
    char x[MARKUP_MAX_NUMBER], score[MARKUP_MAX_NUMBER];
    draw_shape(plot, dot);
    markup_wrap(plot->m, "<title>", dot->label, "");
    markup_raw(plot->m, ": %s, %s</title></%s>\n", cloud->x_format(dot->x, x),
               report_score(cloud->report, dot->score, score),
               is_outside(plot, dot) ? "path" : "circle");
}

/* Beside the dot, towards the middle of the diagram, and away from the other one's. */
static void draw_label(const struct plot *plot, const struct dot *dot, bool below) {
    double x = plot_x(plot, dot->x), y = plot_y(plot, dot->score);
    bool right = x > (plot->left + plot->width - plot->right) / 2;
    markup_raw(plot->m, "<text class=\"mark\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
               x + (right ? -2 : 2), below ? y + 22 : y - 11, right ? "end" : "start", dot->label);
}

static void draw_dots(const struct cloud *cloud, const struct plot *plot) {
    for (int kind = DOT_MISSED; kind >= DOT_TRIED; kind--)
        for (size_t i = 0; i < cloud->n; i++)
            if (cloud->dots[i].kind == (enum dot_kind)kind)
                draw_dot(cloud, plot, &cloud->dots[i]);
    for (size_t i = 0; i < cloud->n; i++)
        if (cloud->dots[i].kind >= DOT_STEP)
            draw_dot(cloud, plot, &cloud->dots[i]);
    const struct dot *before = find(cloud, DOT_BEFORE), *after = find(cloud, DOT_AFTER);
    draw_label(plot, before, before->score < (plot->y.low + plot->y.high) / 2);
    if (after)
        draw_label(plot, after, after->score < (plot->y.low + plot->y.high) / 2);
}

/* Round values: without zeros behind the point. */
static const char *bytes_tick(double value, char *ret) {
    if (value == 0)
        return strcpy(ret, "0");
    bool kib = value >= 1024 && value < 1048576;
    snprintf(ret, MARKUP_MAX_NUMBER, "%.4g\u00a0%s",
             value < 1024 ? value : value / (kib ? 1024 : 1048576),
             value < 1024 ? "B"
             : kib        ? "KiB"
                          : "MiB");
    return ret;
}

static const char *us_tick(double value, char *ret) {
    if (value == 0)
        return strcpy(ret, "0");
    snprintf(ret, MARKUP_MAX_NUMBER, "%.4g\u00a0%s", value < 1e3 ? value : value / 1e3,
             value < 1e3 ? "µs" : "ms");
    return ret;
}

static const char *percent_tick(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.4g\u00a0%%", 100 * value);
    return ret;
}

static const char *error_tick(double value, char *ret) {
    snprintf(ret, MARKUP_MAX_NUMBER, "%.3g", value);
    return ret;
}

static void draw_legend(const struct cloud *cloud, struct markup *m) {
    static const struct {
        enum dot_kind kind;
        const char *class, *what;
    } rows[] = {
        {DOT_BEFORE, "before", "before"},   {DOT_AFTER, "after", "after: what was written"},
        {DOT_TRIED, "tried", "tried"},      {DOT_MISSED, "missed", "tried, misses the budget"},
        {DOT_STEP, "step", "after a step"},
    };
    markup_raw(m, "<p class=\"legend\">");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (find(cloud, rows[i].kind))
            markup_raw(
                m,
                "<span><svg viewBox=\"0 0 14 14\"><circle class=\"dot %s\" cx=\"7\" cy=\"7\" "
                "r=\"4.5\"/></svg>%s</span> ",
                rows[i].class, rows[i].what);
    markup_raw(m,
               "<span><svg viewBox=\"0 0 14 14\"><path class=\"front\" d=\"M0 10H7V4H14\"/></svg>"
               "best for so much</span></p>\n");
}

static void draw(struct cloud *cloud, struct markup *m) {
    struct plot plot = {
        .m = m, .width = 440, .height = 320, .left = 62, .right = 16, .top = 28, .bottom = 48};
    size_axis(cloud, &plot.x);
    score_axis(cloud, &plot.y);
    bool error = cloud->falls;
    markup_raw(m, "<figure>");
    plot_begin(&plot, cloud->what);
    plot_axes(&plot, cloud->x_tick, error ? error_tick : percent_tick, cloud->x_title,
              error                                                   ? "mean squared error"
              : strcmp(report_string(cloud->report, "metric"), "auc") ? "accuracy"
                                                                      : "area under the curve");
    qsort(cloud->dots, cloud->n, sizeof(*cloud->dots), by_x);
    draw_front(cloud, &plot);
    draw_dots(cloud, &plot);
    plot_end(&plot);
    draw_legend(cloud, m);
    markup_raw(m, "</figure>\n");
}

static void trade_off(struct markup *m, struct cloud cloud, const char *x) {
    if (!m->err)
        m->err = collect(&cloud, x);
    if (!m->err && find(&cloud, DOT_BEFORE) && cloud.n > 1)
        draw(&cloud, m);
    free(cloud.dots);
}

void report_trade_offs(struct markup *m, const cJSON *report) {
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(report, "data");
    bool falls = strcmp(report_string(report, "metric"), "mse") == 0;
    if (!cJSON_GetObjectItemCaseSensitive(data, "eval"))
        return;
    markup_raw(m, "<section><h2>What it costs</h2>\n<p class=\"note\">On the validation data, "
                  "which choices are made on. Triangles are points beyond the diagram.</p>\n"
                  "<div class=\"charts\">\n");
    trade_off(m,
              (struct cloud){.report = report,
                             .falls = falls,
                             .x_format = markup_bytes,
                             .x_tick = bytes_tick,
                             .x_title = "bytes of the file",
                             .what = "Score against bytes of the file"},
              "bytes");
    trade_off(m,
              (struct cloud){.report = report,
                             .falls = falls,
                             .x_format = markup_us,
                             .x_tick = us_tick,
                             .x_title = "median latency",
                             .what = "Score against median latency",
                             .decimal = true},
              "latency_us");
    markup_raw(m, "</div></section>\n");
}
