/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coded segments and streams. The first byte says what the rest is: a segment, of the size that the next two bytes say; a
 * stream of so many symbols; or elements, which are coded and must come back.
 */

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"
#include "model/coded.h"
#include "model/graph.h"
#include "model/rans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MODES 6 /* segment, stream, elements of 1, 2, 4 and 8 bytes */

/* In memory that ends where the segment does. */
static int decode(const uint8_t *stored, size_t stored_size, size_t size, uint8_t **ret) {
    struct coded_decoder *decoder = NULL;
    struct diag diag = {.text = ""};
    *ret = calloc(1, size);
    edge_assert(*ret && coded_decoder_new(&decoder) == 0);
    int r = coded_decode(decoder, stored, stored_size, *ret, size, &diag);
    edge_assert(r == 0 || (r == MODEL_E_INVALID && diag.text[0]));
    coded_decoder_free(decoder);
    return r;
}

static void try_segment(const uint8_t *data, size_t size, size_t decoded) {
    uint8_t *out;
    decode(data, size, MAX(decoded, (size_t)1), &out);
    free(out);
}

static void try_stream(const uint8_t *data, size_t size, size_t n) {
    static struct rans_decoder decoder;
    struct cursor c = {data, data + size, false};
    uint8_t *out = malloc(MAX(n, (size_t)1));
    edge_assert(out);
    if (rans_decoder_init(&decoder, &c, n) && n && rans_decode(&decoder, out, n))
        edge_assert(c.p <= c.end && decoder.left == 0);
    free(out);
}

static void try_elements(const uint8_t *data, size_t n, unsigned width) {
    struct buffer b;
    uint8_t *out;
    if (n == 0)
        return;
    buffer_init(&b, SIZE_MAX / 2);
    edge_assert(coded_put_piece(&b, 3, data, n, width) == 0);
    edge_assert(decode(b.data, b.len, 3 + n * width, &out) == 0);
    edge_assert(memcmp(out + 3, data, n * width) == 0);
    free(out);
    buffer_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    unsigned mode = data[0] % MODES;
    size_t n = load_le16(data + 1);
    if (mode == 0)
        try_segment(data + 3, size - 3, n);
    else if (mode == 1)
        try_stream(data + 3, size - 3, n);
    else
        try_elements(data + 3, (size - 3) >> (mode - 2), 1U << (mode - 2));
    return 0;
}
