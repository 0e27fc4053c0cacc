/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes coded by how often each occurs: range asymmetric numeral systems (Duda 2013, arXiv:1311.2540) with 32-bit
 * states that are refilled 16 bits at a time. Several states take turns, so that the processor has several symbols in
 * flight. The form of a stream is in docs/model-format.md. No state of its own; a decoder belongs to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct buffer;
struct cursor;

#define RANS_MAX_BITS 12          /* frequencies of a stream add up to at most 2^12 */
#define RANS_STATES 8             /* that take turns … */
#define RANS_INTERLEAVED_MIN 4096 /* … in a stream of at least so many symbols; one state below */
#define RANS_LOWER 65536U /* no state is below it between symbols; each begins and ends as it */

/* First byte of a stream: the bits of its frequencies, or one of these. */
enum { RANS_PLAIN = 0, RANS_SINGLE = 15 };

struct rans_decoder {
    const uint8_t *p, *end; /* what has not been read */
    size_t left;            /* symbols */
    unsigned bits;          /* or RANS_PLAIN, RANS_SINGLE */
    unsigned n_states;
    uint32_t x[RANS_STATES];
    /* Per value of a state's low bits: symbol, frequency - 1 from bit 8 on, distance from the symbol's first slot from
     * bit 20 on. */
    uint32_t slots[1U << RANS_MAX_BITS];
};

/* Appends a stream of `n` symbols: the smallest there is of plain, single and coded. -ENOMEM, -EMSGSIZE. */
_nodiscard_ int rans_encode(struct buffer *b, const uint8_t *symbols, size_t n);

/* Takes a stream of `n` symbols off the cursor's front, which stays behind it. false: it is malformed. */
_nodiscard_ bool rans_decoder_init(struct rans_decoder *d, struct cursor *c, size_t n);
/* The next `n` symbols, a multiple of RANS_STATES or all that are left. false: the stream is malformed. After the last
 * symbol everything has been checked: the stream is used up and its states are where the writer began. */
_nodiscard_ bool rans_decode(struct rans_decoder *d, uint8_t *ret_symbols, size_t n);

/* Private to the coder: frequencies, each symbol's at most 2^bits and their sum exactly 2^bits. Writing appends at most
 * RANS_TABLE_MAX bytes to `ret` and returns how many. */
#define RANS_TABLE_MAX 1024
size_t rans_table_write(const uint16_t freq[256], unsigned bits, uint8_t ret[RANS_TABLE_MAX]);
_nodiscard_ bool rans_table_read(struct cursor *c, unsigned bits, uint16_t ret_freq[256]);
