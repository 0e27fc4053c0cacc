/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mel-frequency cepstral coefficients of a recording: window, FFT, magnitudes, triangular mel
 * bands, logarithm, DCT-II.
 *
 * Tables: window [frame], mel weights [bands][bins], DCT [bands][coefficients], all double. The FFT
 * is float (the only kind Debian packages); everything behind it is double, as the logarithm of a
 * nearly silent band needs.
 */

#include <kiss_fftr.h>
#include <math.h>

#include "kernels/list.h"
#include "kernels/round.h"

static size_t bins(const struct kern_mfcc *p) {
    return (size_t)(p->last_bin - p->first_bin + 1);
}

struct tables {
    size_t window, mel, dct, end; /* offsets in doubles */
};

static struct tables tables_layout(const struct kern_mfcc *p) {
    struct tables t = {0};
    t.mel = t.window + (size_t)p->frame;
    t.dct = t.mel + (size_t)p->bands * bins(p);
    t.end = t.dct + (size_t)p->bands * (size_t)p->coefficients;
    return t;
}

size_t kern_mfcc_tables_size(const struct kern_mfcc *p) {
    return pack_room(tables_layout(p).end * sizeof(double));
}

static double mel_of_hz(double hz) {
    return 1127 * log(1 + hz / 700);
}

/* The triangle of a band, with its edges at neighbouring bands' peaks, linear in mel. */
static double mel_weight(const struct kern_mfcc *p, int32_t band, int32_t bin) {
    const double low = mel_of_hz((double)p->low_hz), high = mel_of_hz((double)p->high_hz);
    const double step = (high - low) / (p->bands + 1);
    const double mel = mel_of_hz((double)bin * p->sample_rate / p->fft);
    const double up = (mel - (low + band * step)) / step;
    const double down = (low + (band + 2) * step - mel) / step;
    return fmax(0, fmin(up, down));
}

void kern_mfcc_tables(const struct kern_mfcc *p, void *ret_tables) {
    const struct tables t = tables_layout(p);
    double *window = (double *)ret_tables + t.window, *mel = (double *)ret_tables + t.mel;
    double *dct = (double *)ret_tables + t.dct;
    for (int32_t i = 0; i < p->frame; i++)
        window[i] = 0.5 - 0.5 * cos(2 * M_PI * i / p->frame);
    for (int32_t b = 0; b < p->bands; b++) {
        for (int32_t k = p->first_bin; k <= p->last_bin; k++)
            *mel++ = mel_weight(p, b, k);
        for (int32_t c = 0; c < p->coefficients; c++)
            *dct++ = cos(M_PI * c * (b + 0.5) / p->bands) * sqrt((c == 0 ? 1.0 : 2.0) / p->bands);
    }
}

/* Scratch: the FFT's own state, its input and output, magnitudes and logarithms of the bands. */
struct scratch {
    size_t fft, time, spectrum, magnitude, bands, end; /* offsets in bytes */
    size_t fft_size;
};

static struct scratch scratch_layout(const struct kern_mfcc *p) {
    struct scratch s = {0};
    kiss_fftr_alloc(p->fft, 0, NULL, &s.fft_size);
    s.time = s.fft + pack_room(s.fft_size);
    s.spectrum = s.time + pack_room((size_t)p->fft * sizeof(kiss_fft_scalar));
    s.magnitude = s.spectrum + pack_room(((size_t)p->fft / 2 + 1) * sizeof(kiss_fft_cpx));
    s.bands = s.magnitude + pack_room(bins(p) * sizeof(double));
    s.end = s.bands + pack_room((size_t)p->bands * sizeof(double));
    return s;
}

size_t kern_mfcc_scratch_size(const struct kern_mfcc *p) {
    return scratch_layout(p).end;
}

static void load_frame(const struct kern_mfcc *p, const double *window, const void *x, size_t at,
                       kiss_fft_scalar *time) {
    for (int32_t i = 0; i < p->frame; i++) {
        const size_t j = at + (size_t)i;
        double v = p->in_is_s16 ? ((const int16_t *)x)[j] / 32768.0 : (double)((const float *)x)[j];
        time[i] = (kiss_fft_scalar)(v * window[i]);
    }
    for (int32_t i = p->frame; i < p->fft; i++)
        time[i] = 0;
}

static double dot(const double *a, const double *b, size_t n) {
    double acc = 0;
    for (size_t i = 0; i < n; i++)
        acc += a[i] * b[i];
    return acc;
}

static void cepstrum(const struct kern_mfcc *p, const double *dct, const double *bands, float *y) {
    for (int32_t c = 0; c < p->coefficients; c++) {
        double acc = 0;
        for (int32_t b = 0; b < p->bands; b++)
            acc += bands[b] * dct[(size_t)b * (size_t)p->coefficients + (size_t)c];
        y[c] = (float)acc;
    }
}

void kern_mfcc_c(const struct kern_mfcc *p, const void *tables, const void *x, float *y,
                 void *scratch) {
    const struct tables t = tables_layout(p);
    struct scratch s = scratch_layout(p);
    const double *window = (const double *)tables + t.window;
    const double *mel = (const double *)tables + t.mel, *dct = (const double *)tables + t.dct;
    char *base = scratch;
    kiss_fft_scalar *time = (void *)(base + s.time);
    kiss_fft_cpx *spectrum = (void *)(base + s.spectrum);
    double *magnitude = (void *)(base + s.magnitude), *bands = (void *)(base + s.bands);

    kiss_fftr_cfg fft = kiss_fftr_alloc(p->fft, 0, base + s.fft, &s.fft_size);
    const size_t n = bins(p), hop = (size_t)p->hop;
    for (size_t at = 0; at + (size_t)p->frame <= (size_t)p->samples; at += hop) {
        load_frame(p, window, x, at, time);
        kiss_fftr(fft, time, spectrum);
        for (size_t k = 0; k < n; k++) {
            const kiss_fft_cpx *c = &spectrum[(size_t)p->first_bin + k];
            magnitude[k] = sqrt((double)c->r * (double)c->r + (double)c->i * (double)c->i);
        }
        for (size_t b = 0; b < (size_t)p->bands; b++)
            bands[b] = log(fmax(dot(mel + b * n, magnitude, n), (double)p->floor));
        cepstrum(p, dct, bands, y);
        y += p->coefficients;
    }
}
