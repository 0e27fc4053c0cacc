/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading half of the entropy coder. Whatever the bytes are, it reads inside of them, writes what it was asked for and
 * ends. A decoder belongs to one thread.
 */

#include <string.h>

#include "base/arith.h"
#include "base/bytes.h"
#include "model/rans.h"
#include "model/varint.h"

static void fill_slots(struct rans_decoder *d, const uint16_t freq[256]) {
    uint32_t *slot = d->slots;
    for (uint32_t s = 0; s < 256; s++)
        for (uint32_t i = 0, f = freq[s]; i < f; i++)
            *slot++ = s | (f - 1) << 8 | i << 20;
}

static bool init_coded(struct rans_decoder *d, struct cursor *c) {
    uint16_t freq[256];
    if (d->bits > RANS_MAX_BITS || !rans_table_read(c, d->bits, freq))
        return false;
    size_t n_words = get_varint(c);
    d->n_states = d->left < RANS_INTERLEAVED_MIN ? 1 : RANS_STATES;
    const uint8_t *states = get_bytes(c, d->n_states * sizeof(*d->x));
    d->p = get_bytes(c, 2 * n_words);
    if (c->bad)
        return false;
    d->end = d->p + 2 * n_words;
    for (unsigned i = 0; i < d->n_states; i++) {
        d->x[i] = load_le32(states + 4 * i);
        if (d->x[i] < RANS_LOWER)
            return false;
    }
    fill_slots(d, freq);
    return true;
}

bool rans_decoder_init(struct rans_decoder *d, struct cursor *c, size_t n) {
    d->left = n;
    if (n == 0)
        return true;
    d->bits = get_byte(c);
    if (d->bits != RANS_PLAIN && d->bits != RANS_SINGLE)
        return !c->bad && init_coded(d, c);
    size_t size = d->bits == RANS_PLAIN ? n : 1;
    d->p = get_bytes(c, size);
    if (!d->p)
        return false;
    d->end = d->p + size;
    return true;
}

/* By a mask, since whether a state is refilled cannot be predicted and a compiler would branch. There is a word at `*p`. */
static inline uint8_t step(const uint32_t *slots, unsigned bits, uint32_t *x, const uint8_t **p) {
    uint32_t slot = slots[*x & ((1U << bits) - 1)];
    uint32_t next = ((slot >> 8 & 0xfff) + 1) * (*x >> bits) + (slot >> 20);
    uint32_t refill = 0U - (next < RANS_LOWER);
    *x = next << (refill & 16) | (load_le16(*p) & refill);
    *p += refill & 2;
    return (uint8_t)slot;
}

/* As long as every state could be refilled; returns how many symbols that gave. */
static size_t decode_interleaved(struct rans_decoder *d, uint8_t *ret, size_t n) {
    const uint32_t *slots = d->slots;
    const unsigned bits = d->bits;
    const uint8_t *p = d->p;
    uint32_t x0 = d->x[0], x1 = d->x[1], x2 = d->x[2], x3 = d->x[3];
    uint32_t x4 = d->x[4], x5 = d->x[5], x6 = d->x[6], x7 = d->x[7];
    size_t i = 0;
    for (; i + RANS_STATES <= n && d->end - p >= 2 * RANS_STATES; i += RANS_STATES) {
        ret[i] = step(slots, bits, &x0, &p);
        ret[i + 1] = step(slots, bits, &x1, &p);
        ret[i + 2] = step(slots, bits, &x2, &p);
        ret[i + 3] = step(slots, bits, &x3, &p);
        ret[i + 4] = step(slots, bits, &x4, &p);
        ret[i + 5] = step(slots, bits, &x5, &p);
        ret[i + 6] = step(slots, bits, &x6, &p);
        ret[i + 7] = step(slots, bits, &x7, &p);
    }
    memcpy(d->x, (const uint32_t[]){x0, x1, x2, x3, x4, x5, x6, x7}, sizeof(d->x));
    d->p = p;
    return i;
}

/* Symbol by symbol, with a look at how much is left. */
static bool decode_checked(struct rans_decoder *d, uint8_t *ret, size_t first, size_t n) {
    static const uint8_t none[2];
    for (size_t i = first; i < n; i++) {
        const uint8_t *p = d->p == d->end ? none : d->p;
        const uint8_t *before = p;
        ret[i] = step(d->slots, d->bits, &d->x[i & (d->n_states - 1)], &p);
        if (p == before)
            continue;
        if (d->p == d->end)
            return false;
        d->p = p;
    }
    return true;
}

static bool decode_coded(struct rans_decoder *d, uint8_t *ret, size_t n) {
    size_t done = d->n_states == RANS_STATES ? decode_interleaved(d, ret, n) : 0;
    if (!decode_checked(d, ret, done, n))
        return false;
    d->left -= n;
    if (d->left)
        return true;
    for (unsigned i = 0; i < d->n_states; i++)
        if (d->x[i] != RANS_LOWER)
            return false;
    return d->p == d->end;
}

bool rans_decode(struct rans_decoder *d, uint8_t *ret_symbols, size_t n) {
    if (d->bits == RANS_PLAIN) {
        memcpy(ret_symbols, d->p, n);
        d->p += n;
    } else if (d->bits == RANS_SINGLE) {
        memset(ret_symbols, *d->p, n);
    } else {
        return decode_coded(d, ret_symbols, n);
    }
    d->left -= n;
    return true;
}
