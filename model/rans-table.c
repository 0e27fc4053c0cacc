/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frequencies of symbols as bits, lowest bit of a byte first: exponential Golomb codes whose order follows the
 * frequencies before, since neighbours in a histogram of weights are alike, and lengths of runs of absent symbols.
 */

#include <string.h>

#include "model/rans.h"
#include "model/varint.h"

/* The length of a frequency as a binary number, a running mean in sixteenths of a bit. It begins at half of what there is. */
struct order {
    uint32_t length16;
};

#define ORDER_BIAS 12 /* sixteenths by which the order of the next code is less */

static unsigned order_bits(const struct order *o) {
    return o->length16 > ORDER_BIAS ? (o->length16 - ORDER_BIAS) / 16 : 0;
}

static void order_update(struct order *o, uint32_t freq) {
    uint32_t length = 32 - (unsigned)__builtin_clz(freq);
    o->length16 += 4 * length - o->length16 / 4;
}

/* --- writing --- */

struct bit_writer {
    uint8_t *bytes;
    size_t n; /* bits */
};

static void write_bits(struct bit_writer *w, uint32_t value, unsigned n) {
    for (unsigned i = 0; i < n; i++, w->n++)
        w->bytes[w->n / 8] |= (uint8_t)((value >> i & 1) << w->n % 8);
}

/* Order k: value + 2^k has k + 1 + z bits; z zeros, a one, and the bits below the highest. */
static void write_golomb(struct bit_writer *w, uint32_t value, unsigned k) {
    uint32_t v = value + (1U << k);
    unsigned top = 31 - (unsigned)__builtin_clz(v);
    write_bits(w, 0, top - k);
    write_bits(w, 1, 1);
    write_bits(w, v & ((1U << top) - 1), top);
}

size_t rans_table_write(const uint16_t freq[256], unsigned bits, uint8_t ret[RANS_TABLE_MAX]) {
    struct bit_writer w = {.bytes = ret};
    struct order order = {8 * bits};
    uint32_t left = 1U << bits;
    bool after_run = true; /* the first symbols may be absent; then one comes that is not */
    memset(ret, 0, RANS_TABLE_MAX);
    unsigned s = 0;
    while (freq[s] == 0)
        s++;
    write_golomb(&w, s, 0);
    while (left) {
        uint32_t f = freq[s++];
        write_golomb(&w, after_run ? f - 1 : f, order_bits(&order));
        after_run = f == 0;
        if (f) {
            order_update(&order, f);
            left -= f;
            continue;
        }
        unsigned more = 0;
        for (; freq[s] == 0; s++)
            more++;
        write_golomb(&w, more, 0);
    }
    return (w.n + 7) / 8;
}

/* --- reading --- */

struct bit_reader {
    const uint8_t *bytes;
    size_t n, end; /* bits */
    bool bad;
};

static uint32_t read_bits(struct bit_reader *r, unsigned n) {
    uint32_t value = 0;
    if (n > r->end - r->n) {
        r->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < n; i++, r->n++)
        value |= (r->bytes[r->n / 8] >> r->n % 8 & 1U) << i;
    return value;
}

static uint32_t read_golomb(struct bit_reader *r, unsigned k) {
    unsigned top = k;
    while (!r->bad && read_bits(r, 1) == 0)
        top++;
    if (r->bad || top > RANS_MAX_BITS) { /* larger than any frequency */
        r->bad = true;
        return 0;
    }
    return (1U << top) + read_bits(r, top) - (1U << k);
}

bool rans_table_read(struct cursor *c, unsigned bits, uint16_t ret_freq[256]) {
    size_t room = (size_t)(c->end - c->p);
    struct bit_reader r = {c->p, 0, 8 * (room < RANS_TABLE_MAX ? room : RANS_TABLE_MAX), false};
    struct order order = {8 * bits};
    uint32_t left = 1U << bits, s = read_golomb(&r, 0);
    bool after_run = true;
    memset(ret_freq, 0, 256 * sizeof(*ret_freq));
    while (left && !r.bad && s < 256) {
        uint32_t f = read_golomb(&r, order_bits(&order)) + after_run;
        after_run = f == 0;
        if (f > left)
            return false;
        ret_freq[s++] = (uint16_t)f;
        if (f)
            order_update(&order, f);
        else
            s += read_golomb(&r, 0);
        left -= f;
    }
    while (!r.bad && r.n % 8)
        if (read_bits(&r, 1))
            return false;
    if (r.bad || left)
        return false;
    c->p += r.n / 8;
    return true;
}
