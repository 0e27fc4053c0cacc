/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing half of the entropy coder. A stream is made from its last symbol to its first. No state.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/bytes.h"
#include "base/error.h"
#include "model/rans.h"
#include "model/varint.h"

/* What is chosen for a stream. */
struct model {
    unsigned bits;
    uint16_t freq[256];
    uint16_t start[256];
    uint8_t table[RANS_TABLE_MAX];
    size_t table_size;
};

/* The symbol whose share of slots is worth one more the most, or one less the least. */
static unsigned best_to_change(const uint32_t count[256], const uint16_t freq[256], bool more) {
    unsigned best = 256;
    double best_value = 0;
    for (unsigned s = 0; s < 256; s++) {
        if (count[s] == 0 || (!more && freq[s] == 1))
            continue;
        double value = count[s] / (freq[s] + (more ? 0.5 : -0.5));
        if (best == 256 || (more ? value > best_value : value < best_value)) {
            best = s;
            best_value = value;
        }
    }
    return best;
}

/* Frequencies that add up to 2^bits, at least 1 for what occurs. There are no more different symbols than that. */
static void normalize(const uint32_t count[256], size_t n, unsigned bits, uint16_t ret_freq[256]) {
    uint32_t total = 1U << bits, sum = 0;
    for (unsigned s = 0; s < 256; s++) {
        uint64_t f = ((uint64_t)count[s] * total + n / 2) / n;
        ret_freq[s] = count[s] ? (uint16_t)MAX(f, 1U) : 0;
        sum += ret_freq[s];
    }
    for (; sum < total; sum++)
        ret_freq[best_to_change(count, ret_freq, true)]++;
    for (; sum > total; sum--)
        ret_freq[best_to_change(count, ret_freq, false)]--;
}

/* Bits that the symbols take. */
static double coded_bits(const uint32_t count[256], const struct model *m) {
    double bits = 0;
    for (unsigned s = 0; s < 256; s++)
        if (count[s])
            bits += count[s] * (m->bits - log2(m->freq[s]));
    return bits;
}

/* Few symbols are not worth an exact table: the number of bits is chosen for the smallest stream. */
static void choose_model(const uint32_t count[256], size_t n, unsigned n_different,
                         struct model *ret) {
    unsigned least = 32 - (unsigned)__builtin_clz(n_different - 1);
    double best = INFINITY;
    for (unsigned bits = least; bits <= RANS_MAX_BITS; bits++) {
        struct model m = {.bits = bits};
        normalize(count, n, bits, m.freq);
        m.table_size = rans_table_write(m.freq, bits, m.table);
        double size = 8 * (double)m.table_size + coded_bits(count, &m);
        if (size < best) {
            best = size;
            *ret = m;
        }
    }
    unsigned start = 0;
    for (unsigned s = 0; s < 256; s++) {
        ret->start[s] = (uint16_t)start;
        start += ret->freq[s];
    }
}

/* Fills `words` from its end; returns how many there are. At most one a symbol: no symbol takes more than 12 bits. */
static size_t code_words(const struct model *m, const uint8_t *symbols, size_t n, unsigned n_states,
                         uint16_t *words, uint32_t x[RANS_STATES]) {
    uint16_t *p = words + n;
    for (unsigned i = 0; i < n_states; i++)
        x[i] = RANS_LOWER;
    for (size_t i = n; i-- > 0;) {
        uint32_t f = m->freq[symbols[i]], *state = &x[i % n_states];
        if (*state >= (uint64_t)f << (32 - m->bits)) {
            *--p = (uint16_t)*state;
            *state >>= 16;
        }
        *state = (*state / f << m->bits) + *state % f + m->start[symbols[i]];
    }
    return (size_t)(words + n - p);
}

static int put_coded(struct buffer *b, const struct model *m, const uint8_t *symbols, size_t n,
                     uint16_t *words) {
    unsigned n_states = n < RANS_INTERLEAVED_MIN ? 1 : RANS_STATES;
    uint32_t x[RANS_STATES];
    size_t n_words = code_words(m, symbols, n, n_states, words, x);
    int r = put_byte(b, m->bits);
    if (r == 0)
        r = buffer_append(b, m->table, m->table_size);
    if (r == 0)
        r = put_varint(b, (uint32_t)n_words);
    if (r == 0)
        r = buffer_reserve(b, 4 * n_states + 2 * n_words);
    if (r)
        return r;
    for (unsigned i = 0; i < n_states; i++, b->len += 4)
        store_le32(b->data + b->len, x[i]);
    for (size_t i = n - n_words; i < n; i++, b->len += 2)
        store_le16(b->data + b->len, words[i]);
    return 0;
}

static int put_plain(struct buffer *b, const uint8_t *symbols, size_t n) {
    int r = put_byte(b, RANS_PLAIN);
    return r ? r : buffer_append(b, symbols, n);
}

int rans_encode(struct buffer *b, const uint8_t *symbols, size_t n) {
    uint32_t count[256] = {0};
    unsigned n_different = 0;
    size_t start = b->len;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        count[symbols[i]]++;
    for (unsigned s = 0; s < 256; s++)
        n_different += count[s] > 0;
    if (n_different == 1) {
        int r = put_byte(b, RANS_SINGLE);
        return r ? r : put_byte(b, symbols[0]);
    }
    struct model m;
    choose_model(count, n, n_different, &m);
    uint16_t *words = malloc(n * sizeof(*words));
    if (!words)
        return err_origin(-ENOMEM);
    int r = put_coded(b, &m, symbols, n, words);
    free(words);
    if (r || b->len - start <= n)
        return r;
    b->len = start;
    return put_plain(b, symbols, n);
}
