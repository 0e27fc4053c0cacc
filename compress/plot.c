/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Axes and their ticks.
 */

#include "compress/plot.h"

#include <math.h>

/* 1, 2 or 5 times a power of ten, at least `step`. */
static double round_step(double step) {
    double power = pow(10, floor(log10(step)));
    double n = step / power;
    return power * (n <= 1.0001 ? 1 : n <= 2.0001 ? 2 : n <= 5.0001 ? 5 : 10);
}

void axis_linear(struct axis *axis, double low, double high, unsigned max_ticks) {
    if (!(high > low)) {
        double around = fabs(low) > 0 ? fabs(low) * 0.05 : 1;
        high = low + around;
        low -= around;
    }
    double step = round_step((high - low) / max_ticks);
    *axis = (struct axis){.low = low, .high = high};
    for (double k = ceil(low / step - 1e-6);
         k * step <= high + step * 1e-6 && axis->n_ticks < AXIS_MAX_TICKS; k++)
        axis->ticks[axis->n_ticks++] = k == 0 ? 0 : k * step;
}

/* 1, 2, 5 and so on from the one at or above `low`. */
static void decimal_ticks(struct axis *axis, unsigned max_ticks) {
    static const double factors[] = {1, 2, 5};
    double decades = log10(axis->high / axis->low);
    unsigned each = decades * 3 <= max_ticks ? 3 : 1;
    for (double power = floor(log10(axis->low)); power <= log10(axis->high); power++) {
        for (unsigned k = 0; k < each; k++) {
            double tick = factors[k] * pow(10, power);
            if (tick >= axis->low * 0.9999 && tick <= axis->high * 1.0001 &&
                axis->n_ticks < AXIS_MAX_TICKS)
                axis->ticks[axis->n_ticks++] = tick;
        }
    }
}

static void binary_ticks(struct axis *axis, unsigned max_ticks) {
    double octaves = log2(axis->high / axis->low);
    double step = fmax(1, ceil(octaves / max_ticks));
    for (double k = ceil(log2(axis->low) / step - 1e-6) * step;
         k <= log2(axis->high) + 1e-6 && axis->n_ticks < AXIS_MAX_TICKS; k += step)
        axis->ticks[axis->n_ticks++] = exp2(k);
}

static void axis_log(struct axis *axis, double low, double high, unsigned max_ticks, bool decimal) {
    *axis = (struct axis){.low = low, .high = high, .log = true};
    if (decimal)
        decimal_ticks(axis, max_ticks);
    else
        binary_ticks(axis, max_ticks);
}

void axis_sizes(struct axis *axis, double low, double high, unsigned max_ticks, bool decimal) {
    double unit = decimal || high < 1024 ? 1 : high < 1048576 ? 1024 : 1048576;
    if (low > 0 && high > 8 * low) {
        axis_log(axis, low / 1.3, high * 1.3, max_ticks, decimal);
        return;
    }
    axis_linear(axis, 0, high > 0 ? high / unit * 1.08 : 1, max_ticks);
    axis->high *= unit;
    for (unsigned i = 0; i < axis->n_ticks; i++)
        axis->ticks[i] *= unit;
}

double axis_at(const struct axis *axis, double value) {
    double at = axis->log ? log(fmax(value, axis->low) / axis->low) / log(axis->high / axis->low)
                          : (value - axis->low) / (axis->high - axis->low);
    return fmin(fmax(at, 0), 1);
}

double plot_x(const struct plot *plot, double value) {
    return plot->left + axis_at(&plot->x, value) * (plot->width - plot->left - plot->right);
}

double plot_y(const struct plot *plot, double value) {
    return plot->height - plot->bottom -
           axis_at(&plot->y, value) * (plot->height - plot->top - plot->bottom);
}

void plot_begin(const struct plot *plot, const char *label) {
    markup_raw(plot->m, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", plot->width,
               plot->height);
    markup_text(plot->m, label);
    markup_raw(plot->m, "\">\n");
}

void plot_end(const struct plot *plot) {
    markup_raw(plot->m, "</svg>\n");
}

static void x_axis(const struct plot *plot, plot_format_fn format, const char *title) {
    char text[MARKUP_MAX_NUMBER];
    double base = plot->height - plot->bottom;
    markup_raw(plot->m, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", plot->left, base,
               plot->width - plot->right);
    for (unsigned i = 0; i < plot->x.n_ticks; i++) {
        double x = plot_x(plot, plot->x.ticks[i]);
        markup_raw(plot->m,
                   "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>"
                   "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                   x, base, x, base + 18, format(plot->x.ticks[i], text));
    }
    markup_raw(plot->m,
               "<text class=\"title\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
               (plot->left + plot->width - plot->right) / 2, plot->height - 6, title);
}

void plot_axes(const struct plot *plot, plot_format_fn x_format, plot_format_fn y_format,
               const char *x_title, const char *y_title) {
    char text[MARKUP_MAX_NUMBER];
    for (unsigned i = 0; i < plot->y.n_ticks; i++) {
        double y = plot_y(plot, plot->y.ticks[i]);
        markup_raw(plot->m,
                   "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>"
                   "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                   plot->left, y, plot->width - plot->right, plot->left - 6, y + 4,
                   y_format(plot->y.ticks[i], text));
    }
    markup_raw(plot->m, "<text class=\"title\" x=\"2\" y=\"14\">%s</text>\n", y_title);
    x_axis(plot, x_format, x_title);
}
