/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the pieces of coded segments: every form is tried and the smallest kept. No state.
 */

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/arith.h"
#include "base/error.h"
#include "model/codebook.h"
#include "model/coded.h"
#include "model/graph.h"
#include "model/rans.h"

#define ZSTD_QUICK 1 /* level that shows whether it is worth trying … */
#define ZSTD_BEST 19 /* … this one */

/* The elements of a piece, or those of them that are not zero. */
struct elements {
    const uint8_t *data;
    size_t n;
    unsigned width;
};

/* What is smallest so far, and what is tried against it. */
struct contest {
    struct buffer best, trial;
    uint8_t head; /* of the best */
};

static void contest_init(struct contest *c, size_t max) {
    buffer_init(&c->best, max);
    buffer_init(&c->trial, max);
    c->head = CODED_PLAIN << CODED_KIND_SHIFT; /* of nothing: where every element is zero */
}

static void contest_deinit(struct contest *c) {
    buffer_deinit(&c->best);
    buffer_deinit(&c->trial);
}

/* After a trial that gave `r`. */
static int contest_judge(struct contest *c, int r, unsigned head) {
    if (r == 0 && (c->best.len == 0 || c->trial.len < c->best.len)) {
        struct buffer loser = c->best;
        c->best = c->trial;
        c->trial = loser;
        c->head = (uint8_t)head;
    }
    c->trial.len = 0;
    return r;
}

/* --- kinds --- */

static int put_plane(struct buffer *b, const struct elements *e, unsigned k, uint8_t *plane) {
    for (size_t i = 0; i < e->n; i++)
        plane[i] = e->data[i * e->width + k];
    return rans_encode(b, plane, e->n);
}

static int put_planes(struct buffer *b, const struct elements *e) {
    if (e->width == 1)
        return rans_encode(b, e->data, e->n);
    uint8_t *plane = malloc(e->n);
    if (!plane)
        return err_origin(-ENOMEM);
    int r = 0;
    for (unsigned k = 0; k < e->width && r == 0; k++)
        r = put_plane(b, e, k, plane);
    free(plane);
    return r;
}

static int put_book(struct buffer *b, const struct codebook *book, const struct elements *e) {
    struct elements values = {book->values, book->n_values, e->width};
    int r = put_varint(b, book->n_values);
    if (r == 0)
        r = put_planes(b, &values);
    if (r == 0)
        r = rans_encode(b, book->low, e->n);
    return r || book->n_values <= 256 ? r : rans_encode(b, book->high, e->n);
}

/* What is too long for a codebook is also long enough to lose. */
static int try_codebook(struct contest *c, const struct elements *e) {
    struct codebook book;
    int r = codebook_init(&book, e->data, e->n, e->width);
    if (r)
        return r == MODEL_E_UNSUPPORTED ? 0 : r;
    r = put_book(&c->trial, &book, e);
    codebook_deinit(&book);
    return contest_judge(c, r, CODED_CODEBOOK << CODED_KIND_SHIFT);
}

/* A frame with its size before it. */
static int put_frame(struct buffer *b, const struct elements *e, int level) {
    size_t size = e->n * e->width, bound = ZSTD_compressBound(size);
    void *frame = malloc(bound);
    if (!frame)
        return err_origin(-ENOMEM);
    size_t n = ZSTD_compress(frame, bound, e->data, size, level);
    int r = ZSTD_isError(n) ? err_origin(-ENOMEM) : put_varint(b, (uint32_t)n);
    if (r == 0)
        r = buffer_append(b, frame, n);
    free(frame);
    return r;
}

/* The best level takes a second for some megabytes: only what a quick one nearly wins with gets it. */
static int try_zstd(struct contest *c, const struct elements *e) {
    int r = put_frame(&c->trial, e, ZSTD_QUICK);
    if (r || c->trial.len - c->trial.len / 32 > c->best.len)
        return contest_judge(c, r, CODED_ZSTD << CODED_KIND_SHIFT);
    c->trial.len = 0;
    r = put_frame(&c->trial, e, ZSTD_BEST);
    return contest_judge(c, r, CODED_ZSTD << CODED_KIND_SHIFT);
}

static int try_kinds(struct contest *c, const struct elements *e) {
    int r = buffer_append(&c->trial, e->data, e->n * e->width);
    r = contest_judge(c, r, CODED_PLAIN << CODED_KIND_SHIFT);
    if (r == 0)
        r = contest_judge(c, put_planes(&c->trial, e), CODED_PLANES << CODED_KIND_SHIFT);
    if (r == 0 && e->width > 1)
        r = try_codebook(c, e);
    return r ? r : try_zstd(c, e);
}

/* --- zeros left out --- */

struct sparse {
    struct elements kept;
    uint8_t *kept_data, *gaps;
    size_t n_gaps;
};

static bool is_zero(const uint8_t *element, unsigned width) {
    uint8_t any = 0;
    for (unsigned i = 0; i < width; i++)
        any |= element[i];
    return any == 0;
}

static size_t count_kept(const struct elements *e) {
    size_t kept = 0;
    for (size_t i = 0; i < e->n; i++)
        kept += !is_zero(e->data + i * e->width, e->width);
    return kept;
}

/* Zeros after the last element that is kept need no gap. */
static void split(struct sparse *s, const struct elements *e) {
    size_t gap = 0, kept = 0;
    for (size_t i = 0; i < e->n; i++) {
        const uint8_t *element = e->data + i * e->width;
        if (is_zero(element, e->width)) {
            gap++;
            continue;
        }
        for (; gap >= CODED_GAP_MAX; gap -= CODED_GAP_MAX)
            s->gaps[s->n_gaps++] = CODED_GAP_MAX;
        s->gaps[s->n_gaps++] = (uint8_t)gap;
        gap = 0;
        memcpy(s->kept_data + kept++ * e->width, element, e->width);
    }
}

static int sparse_init(struct sparse *s, const struct elements *e, size_t n_kept) {
    *s = (struct sparse){.kept_data = malloc(MAX(n_kept, (size_t)1) * e->width),
                         .gaps = malloc(n_kept + (e->n - n_kept) / CODED_GAP_MAX + 1)};
    if (!s->kept_data || !s->gaps)
        return err_origin(-ENOMEM);
    s->kept = (struct elements){s->kept_data, n_kept, e->width};
    split(s, e);
    return 0;
}

static void sparse_deinit(struct sparse *s) {
    free(s->kept_data);
    free(s->gaps);
}

static int put_sparse(struct buffer *b, const struct sparse *s, const struct contest *kept) {
    int r = put_varint(b, (uint32_t)s->kept.n);
    if (r == 0)
        r = put_varint(b, (uint32_t)s->n_gaps);
    if (r == 0)
        r = buffer_append(b, kept->best.data, kept->best.len);
    return r ? r : rans_encode(b, s->gaps, s->n_gaps);
}

static int try_sparse(struct contest *c, const struct elements *e) {
    size_t n_kept = count_kept(e);
    if (n_kept > e->n - e->n / 8) /* gaps that are nearly all 0 gain nothing */
        return 0;
    struct sparse s;
    struct contest kept;
    contest_init(&kept, c->best.max);
    int r = sparse_init(&s, e, n_kept);
    if (r == 0 && n_kept)
        r = try_kinds(&kept, &s.kept);
    if (r == 0)
        r = put_sparse(&c->trial, &s, &kept);
    r = contest_judge(c, r, kept.head | CODED_SPARSE);
    contest_deinit(&kept);
    sparse_deinit(&s);
    return r;
}

static int put_best(struct buffer *b, size_t gap, const struct elements *e,
                    const struct contest *c) {
    int r = put_varint(b, (uint32_t)gap);
    if (r == 0)
        r = put_byte(b, c->head | (unsigned)__builtin_ctz(e->width));
    if (r == 0)
        r = put_varint(b, (uint32_t)e->n);
    if (r == 0)
        r = put_varint(b, (uint32_t)c->best.len);
    return r ? r : buffer_append(b, c->best.data, c->best.len);
}

int coded_put_piece(struct buffer *b, size_t gap, const uint8_t *data, size_t n, unsigned width) {
    struct elements e = {data, n, width};
    struct contest c;
    contest_init(&c, SIZE_MAX / 2); /* whether it fits is seen where the best is appended */
    int r = try_kinds(&c, &e);
    if (r == 0)
        r = try_sparse(&c, &e);
    if (r == 0)
        r = put_best(b, gap, &e, &c);
    contest_deinit(&c);
    return r;
}

int coded_put_zstd(struct buffer *b, const uint8_t *data, size_t size) {
    size_t bound = ZSTD_compressBound(size);
    int r = buffer_reserve(b, bound);
    if (r)
        return r;
    size_t n = ZSTD_compress(b->data + b->len, bound, data, size, ZSTD_BEST);
    if (ZSTD_isError(n))
        return err_origin(-ENOMEM);
    b->len += n;
    return 0;
}
