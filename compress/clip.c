/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing ranges from densities. A bin stands for its values by their mean.
 */

#include "compress/clip.h"

#include <math.h>
#include <string.h>

#include "base/attributes.h"

#define MSE_STEPS 80  /* ends of the range are tried in this many steps of its length */
#define MSE_ROUNDS 3  /* times that each end is moved while the other stays */
#define KL_STEP 8     /* thresholds are tried every so many bins */
#define KL_EMPTY 1e-9 /* probability of what the coded density has lost altogether */

void density_init(struct density *d, struct range seen) {
    memset(d, 0, sizeof(*d));
    d->seen = seen;
    d->limit = MAX(-seen.min, seen.max);
}

void density_add(struct density *d, const float *values, uint64_t n) {
    double per_unit = d->limit > 0 ? (double)CLIP_HALF / (double)d->limit : 0;
    for (uint64_t i = 0; i < n; i++) {
        double v = (double)values[i];
        if (v == 0) {
            d->zeros++;
            continue;
        }
        if (!(v >= (double)d->seen.min && v <= (double)d->seen.max))
            continue;
        int bin = (int)floor(v * per_unit) + CLIP_HALF;
        bin = MIN(bin, CLIP_BINS - 1);
        d->counts[bin]++;
        d->sums[bin] += v;
        d->n++;
    }
}

/* ---- percentile ---- */

/* The edge of the bin below which (or, from the other end, above which) `skip` values lie. */
static double edge_after(const struct density *d, double skip, int from, int step) {
    double passed = 0;
    int bin = from;
    for (; bin != CLIP_HALF - (step > 0 ? 0 : 1); bin += step) {
        passed += d->counts[bin];
        if (passed > skip)
            break;
    }
    int edge = step > 0 ? bin : bin + 1;
    return (double)(edge - CLIP_HALF) / CLIP_HALF * (double)d->limit;
}

struct range clip_percentile(const struct density *d, double percentile) {
    double skip = (1 - percentile / 100) * (d->n + d->zeros);
    double low = edge_after(d, skip, 0, 1), high = edge_after(d, skip, CLIP_BINS - 1, -1);
    return (struct range){
        .min = MAX(d->seen.min, (float)MIN(low, 0.0)),
        .max = MIN(d->seen.max, (float)MAX(high, 0.0)),
    };
}

/* ---- squared error ---- */

double clip_error(const struct density *d, struct range range, unsigned levels) {
    double scale = ((double)range.max - (double)range.min) / (levels - 1), error = 0;
    if (scale <= 0)
        scale = 1;
    double zero = nearbyint(-(double)range.min / scale);
    for (int i = 0; i < CLIP_BINS; i++) {
        if (d->counts[i] <= 0)
            continue;
        double v = d->sums[i] / d->counts[i];
        double code = nearbyint(v / scale) + zero;
        code = MIN(MAX(code, 0.0), (double)(levels - 1));
        double e = v - (code - zero) * scale;
        error += d->counts[i] * e * e;
    }
    return error;
}

/* Moves one end to where the error is least. */
static void move_end(const struct density *d, unsigned levels, float *end, float from,
                     struct range *range) {
    float best = *end;
    double least = clip_error(d, *range, levels);
    for (int i = 1; i <= MSE_STEPS && from != 0; i++) {
        *end = from * (float)i / MSE_STEPS;
        double e = clip_error(d, *range, levels);
        if (e < least) {
            least = e;
            best = *end;
        }
    }
    *end = best;
}

struct range clip_mse(const struct density *d, unsigned levels) {
    struct range range = d->seen;
    for (int round = 0; round < MSE_ROUNDS; round++) {
        struct range before = range;
        move_end(d, levels, &range.max, d->seen.max, &range);
        move_end(d, levels, &range.min, d->seen.min, &range);
        if (before.min == range.min && before.max == range.max)
            break;
    }
    return range;
}

/* ---- entropy ---- */

/* Divergence of the first n magnitudes, to the last of which `outside` is added, from what `levels` codes leave. */
static double divergence(const double *bins, int n, double outside, double total, unsigned levels) {
    double sum = 0;
    double inside = total - outside;
    for (unsigned k = 0; k < levels; k++) {
        int first = (int)((uint64_t)k * (unsigned)n / levels);
        int end = (int)((uint64_t)(k + 1) * (unsigned)n / levels);
        double count = 0;
        int filled = 0;
        for (int i = first; i < end; i++) {
            count += bins[i];
            filled += bins[i] > 0;
        }
        double q = filled ? count / filled / inside : 0;
        for (int i = first; i < end; i++) {
            double p = (bins[i] + (i == n - 1 ? outside : 0)) / total;
            if (p > 0)
                sum += p * log(p / (bins[i] > 0 ? q : KL_EMPTY));
        }
    }
    return sum;
}

struct range clip_kl(const struct density *d, unsigned levels) {
    double bins[CLIP_HALF];
    for (int i = 0; i < CLIP_HALF; i++)
        bins[i] = d->counts[CLIP_HALF + i] + d->counts[CLIP_HALF - 1 - i];
    /* A range of both signs has half of the codes for magnitudes. */
    unsigned codes = d->seen.min < 0 && d->seen.max > 0 ? levels / 2 : levels;
    double outside = d->n, least = INFINITY;
    int best = CLIP_HALF, done = 0;
    for (int n = (int)codes; n <= CLIP_HALF; n += KL_STEP) {
        for (; done < n; done++)
            outside -= bins[done];
        if (outside >= d->n)
            continue;
        double kl = divergence(bins, n, MAX(outside, 0.0), d->n, codes);
        if (kl < least) {
            least = kl;
            best = n;
        }
    }
    float threshold = d->limit * (float)best / CLIP_HALF;
    return (struct range){MAX(d->seen.min, -threshold), MIN(d->seen.max, threshold)};
}
