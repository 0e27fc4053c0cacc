/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latency histogram.
 */

#include "base/histogram.h"

#include "base/attributes.h"

/* Values below HISTOGRAM_STEPS have a bucket each; above, the bucket is the exponent and the next three bits. */
static unsigned bucket_of(uint64_t ns) {
    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    unsigned exponent = 63U - (unsigned)__builtin_clzll(ns);
    unsigned shift = exponent - HISTOGRAM_STEP_BITS;
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(ns >> shift & (HISTOGRAM_STEPS - 1));
}

/* Smallest value of a bucket. */
static uint64_t bucket_floor(unsigned bucket) {
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    return (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << shift;
}

static uint64_t bucket_width(unsigned bucket) {
    return bucket < HISTOGRAM_STEPS ? 1 : (uint64_t)1 << (bucket / HISTOGRAM_STEPS - 1);
}

void histogram_add(struct histogram *h, uint64_t ns) {
    h->count++;
    h->sum_ns += ns;
    h->max_ns = MAX(h->max_ns, ns);
    h->buckets[bucket_of(ns)]++;
}

uint64_t histogram_quantile_ns(const struct histogram *h, double quantile) {
    if (h->count == 0)
        return 0;
    double rank = quantile * (double)h->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->buckets[i] == 0)
            continue;
        if ((double)(seen + h->buckets[i]) >= rank) {
            double part = (rank - (double)seen) / (double)h->buckets[i];
            uint64_t ns = bucket_floor(i) + (uint64_t)(MAX(part, 0.0) * (double)bucket_width(i));
            return MIN(ns, h->max_ns);
        }
        seen += h->buckets[i];
    }
    return h->max_ns;
}

uint64_t histogram_count_le(const struct histogram *h, uint64_t ns) {
    uint64_t n = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && bucket_floor(i) <= ns; i++)
        n += h->buckets[i];
    return n;
}
