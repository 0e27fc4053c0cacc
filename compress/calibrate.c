/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two runs over the data: the first finds the extremes, the second fills densities between them.
 */

#include "compress/calibrate.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "compress/dataset.h"
#include "compress/observe.h"
#include "compress/pass.h"

#define FILLING 0x1p100F

const char *const calibrate_methods[] = {"minmax", "percentile", "mse", "kl", NULL};

struct calibration {
    struct range *ranges;
    struct density *densities; /* NULL while the extremes are looked for */
    struct diag *diag;
};

static int see_extremes(struct range *range, const float *values, size_t n, struct diag *diag) {
    for (size_t i = 0; i < n; i++) {
        float v = values[i];
        if (isnan(v))
            return diag_set(diag, COMPRESS_E_INVALID,
                            "calibration: a run gives values that are not numbers");
        if (fabsf(v) >= FILLING)
            continue;
        range->min = MIN(range->min, v);
        range->max = MAX(range->max, v);
    }
    return 0;
}

static int see(void *arg, uint32_t which, const float *values, size_t n) {
    struct calibration *c = arg;
    if (!c->densities)
        return see_extremes(&c->ranges[which], values, n, c->diag);
    density_add(&c->densities[which], values, n);
    return 0;
}

static int run_once(const struct pass_context *context, const int32_t *tensors, uint32_t n,
                    const struct calibrate_options *options, struct calibration *c) {
    return observe(context->graph, tensors, n, context->calibration, options->samples,
                   context->tier, see, c, context->diag);
}

static struct range choose(const struct density *d, const struct calibrate_options *options) {
    switch ((enum calibrate_method)options->method) {
    case CALIBRATE_PERCENTILE:
        return clip_percentile(d, options->percentile);
    case CALIBRATE_MSE:
        return clip_mse(d, options->levels);
    case CALIBRATE_KL:
        return clip_kl(d, options->levels);
    case CALIBRATE_MINMAX:
        break;
    }
    return d->seen;
}

int calibrate(const struct pass_context *context, const int32_t *tensors, uint32_t n,
              const struct calibrate_options *options, struct range *ret_ranges) {
    struct calibration c = {.ranges = ret_ranges, .diag = context->diag};
    for (uint32_t i = 0; i < n; i++)
        ret_ranges[i] = (struct range){0};
    int r = pass_need_calibration(context);
    if (r == 0)
        r = dataset_check(context->calibration, context->graph, "calibration", context->diag);
    if (r == 0)
        r = run_once(context, tensors, n, options, &c);
    if (r || options->method == CALIBRATE_MINMAX)
        return r;
    c.densities = calloc(n, sizeof(*c.densities));
    if (!c.densities)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < n; i++)
        density_init(&c.densities[i], ret_ranges[i]);
    r = run_once(context, tensors, n, options, &c);
    for (uint32_t i = 0; i < n && r == 0; i++)
        ret_ranges[i] = choose(&c.densities[i], options);
    free(c.densities);
    return r;
}
