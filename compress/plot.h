/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Diagrams as inline SVG that takes its colours from the page: axes with round ticks, points, lines. One thread.
 */

#include <stdbool.h>

#include "compress/markup.h"

#define AXIS_MAX_TICKS 12

struct axis {
    double low, high;
    bool log;
    unsigned n_ticks;
    double ticks[AXIS_MAX_TICKS];
};

/* An axis of [low, high], wider where that is one value, with about `max_ticks` round ticks, below AXIS_MAX_TICKS. */
void axis_linear(struct axis *axis, double low, double high, unsigned max_ticks);
/* For values above 0: logarithmic from a factor of eight on, else from zero on. Ticks are round in KiB or MiB, with
 * `decimal` 1, 2 and 5 times powers of ten. */
void axis_sizes(struct axis *axis, double low, double high, unsigned max_ticks, bool decimal);
/* Where a value stands: 0 at the low end, 1 at the high end; not beyond them. */
double axis_at(const struct axis *axis, double value);

typedef const char *(*plot_format_fn)(double value, char *ret);

struct plot {
    struct markup *m;
    double width, height; /* of the whole, in user units: pixels where it is not scaled */
    double left, right, top, bottom;
    struct axis x, y;
};

/* Coordinates of values. */
double plot_x(const struct plot *plot, double value);
double plot_y(const struct plot *plot, double value);
/* <svg> with a label for those who cannot see it, and its end. */
void plot_begin(const struct plot *plot, const char *label);
void plot_end(const struct plot *plot);
/* Grid lines, ticks with their values, titles. The y title stands above the axis. */
void plot_axes(const struct plot *plot, plot_format_fn x_format, plot_format_fn y_format,
               const char *x_title, const char *y_title);
