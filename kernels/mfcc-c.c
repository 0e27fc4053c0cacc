/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mel-frequency cepstral coefficients of a recording: window, FFT, magnitudes, triangular mel
 * bands, logarithm, DCT-II. All in double, as the logarithm of a nearly silent band needs.
 *
 * Tables: those of the FFT, window [frame], of each bin the first of the two bands it lies in and its
 * weights there [bins][2], DCT [bands][coefficients].
 */

#include <math.h>
#include <string.h>

#include "base/attributes.h"
#include "kernels/fft.h"
#include "kernels/list.h"
#include "kernels/round.h"

static size_t bins(const struct kern_mfcc *p) {
    return (size_t)(p->last_bin - p->first_bin + 1);
}

struct tables {
    size_t fft, window, mel, dct, band, end; /* offsets in doubles; band: of int32_t [bins] */
};

static struct tables tables_layout(const struct kern_mfcc *p) {
    struct tables t = {0};
    t.window = t.fft + fft_tables_size((size_t)p->fft);
    t.mel = t.window + (size_t)p->frame;
    t.dct = t.mel + 2 * bins(p);
    t.band = t.dct + (size_t)p->bands * (size_t)p->coefficients;
    t.end = t.band + (bins(p) + 1) / 2;
    return t;
}

size_t kern_mfcc_tables_size(const struct kern_mfcc *p) {
    return pack_room(tables_layout(p).end * sizeof(double));
}

static double mel_of_hz(double hz) {
    return 1127 * log(1 + hz / 700);
}

/* Where a bin lies in units of bands: band b is a triangle over (b, b + 2), with its edges at its
 * neighbours' peaks. */
static double band_of_bin(const struct kern_mfcc *p, int32_t bin) {
    const double low = mel_of_hz((double)p->low_hz), high = mel_of_hz((double)p->high_hz);
    const double mel = mel_of_hz((double)bin * p->sample_rate / p->fft);
    return (mel - low) / (high - low) * (p->bands + 1);
}

static double mel_weight(double at, int32_t band) {
    return fmax(0, fmin(at - band, band + 2 - at));
}

void kern_mfcc_tables(const struct kern_mfcc *p, void *ret_tables) {
    const struct tables t = tables_layout(p);
    double *base = ret_tables, *window = base + t.window, *mel = base + t.mel, *dct = base + t.dct;
    int32_t *band = (int32_t *)(base + t.band);
    fft_tables((size_t)p->fft, base + t.fft);
    for (int32_t i = 0; i < p->frame; i++)
        window[i] = 0.5 - 0.5 * cos(2 * M_PI * i / p->frame);
    for (int32_t k = p->first_bin; k <= p->last_bin; k++) {
        const double at = band_of_bin(p, k);
        /* Outside of all bands the weights are 0. Behind the last band there is room for one more. */
        *band = (int32_t)fmin(fmax(floor(at) - 1, 0), p->bands - 1);
        *mel++ = mel_weight(at, *band);
        *mel++ = mel_weight(at, *band + 1);
        band++;
    }
    for (int32_t b = 0; b < p->bands; b++)
        for (int32_t c = 0; c < p->coefficients; c++)
            *dct++ = cos(M_PI * c * (b + 0.5) / p->bands) * sqrt((c == 0 ? 1.0 : 2.0) / p->bands);
}

/* Scratch: the FFT's working memory, the bands and one more, the coefficients. */
struct scratch {
    size_t work, bands, sums, end; /* offsets in doubles */
};

static struct scratch scratch_layout(const struct kern_mfcc *p) {
    struct scratch s = {0};
    s.bands = s.work + fft_work_size((size_t)p->fft);
    s.sums = s.bands + (size_t)p->bands + 1;
    s.end = s.sums + (size_t)p->coefficients;
    return s;
}

size_t kern_mfcc_scratch_size(const struct kern_mfcc *p) {
    return pack_room(scratch_layout(p).end * sizeof(double));
}

/* Even samples, then odd ones, windowed; zeros behind the frame. */
static void load_frame(const struct kern_mfcc *p, const double *window, const void *x, size_t at,
                       double *work) {
    const size_t half = (size_t)p->fft / 2;
    const int16_t *s16 = (const int16_t *)x + at;
    const float *f32 = (const float *)x + at;
    memset(work, 0, 2 * half * sizeof(*work));
    for (size_t i = 0; i < (size_t)p->frame; i++) {
        const double v = p->in_is_s16 ? s16[i] / 32768.0 : (double)f32[i];
        work[i % 2 * half + i / 2] = v * window[i];
    }
}

/* Every bin counts in two bands; a band's bins are added in their order. */
static void mel_bands(const struct kern_mfcc *p, const double *tables, const double *spectrum,
                      double *ret_bands) {
    const struct tables t = tables_layout(p);
    const double *weights = tables + t.mel;
    const int32_t *band = (const int32_t *)(tables + t.band);
    memset(ret_bands, 0, ((size_t)p->bands + 1) * sizeof(*ret_bands));
    for (size_t k = 0; k < bins(p); k++) {
        const double magnitude =
            fft_magnitude((size_t)p->fft, tables + t.fft, spectrum, (size_t)p->first_bin + k);
        ret_bands[band[k]] += weights[2 * k] * magnitude;
        ret_bands[band[k] + 1] += weights[2 * k + 1] * magnitude;
    }
}

static void cepstrum(const struct kern_mfcc *p, const double *dct, const double *bands,
                     double *restrict sums, float *y) {
    const size_t n = (size_t)p->coefficients;
    memset(sums, 0, n * sizeof(*sums));
    for (size_t b = 0; b < (size_t)p->bands; b++, dct += n) {
        const double level = log(fmax(bands[b], (double)p->floor));
        for (size_t c = 0; c < n; c++)
            sums[c] += level * dct[c];
    }
    for (size_t c = 0; c < n; c++)
        y[c] = (float)sums[c];
}

void kern_mfcc_c(const struct kern_mfcc *p, const void *tables, const void *x, float *y,
                 void *scratch) {
    const struct tables t = tables_layout(p);
    const struct scratch s = scratch_layout(p);
    const double *table = tables;
    double *work = (double *)scratch + s.work, *bands = (double *)scratch + s.bands;
    for (size_t at = 0; at + (size_t)p->frame <= (size_t)p->samples; at += (size_t)p->hop) {
        load_frame(p, table + t.window, x, at, work);
        mel_bands(p, table, fft_run((size_t)p->fft, table + t.fft, work), bands);
        cepstrum(p, table + t.dct, bands, (double *)scratch + s.sums, y);
        y += p->coefficients;
    }
}
