/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the different values of an array with a hash table, which is given up as soon as they are too many. No state.
 */

#include "model/codebook.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/bytes.h"
#include "base/error.h"
#include "model/coded.h"
#include "model/graph.h"

struct entry {
    uint64_t value;
    uint32_t index; /* in ascending order, once that is known */
    bool used;
};

struct values {
    struct entry *entries;
    size_t mask;
    uint64_t *sorted; /* those that were found */
    uint32_t n;
};

static uint64_t load_element(const uint8_t *p, unsigned width) {
    return width == 1 ? *p : width == 2 ? load_le16(p) : width == 4 ? load_le32(p) : load_le64(p);
}

/* Where a value is or would be. The table is never more than half full. */
static struct entry *find(const struct values *v, uint64_t value) {
    uint64_t hash = value * 0x9e3779b97f4a7c15U;
    size_t i = (size_t)(hash >> 40) & v->mask;
    while (v->entries[i].used && v->entries[i].value != value)
        i = (i + 1) & v->mask;
    return &v->entries[i];
}

static int values_init(struct values *v, size_t n) {
    size_t room = 2;
    while (room < 2 * MIN(n, (size_t)CODED_MAX_VALUES))
        room *= 2;
    *v = (struct values){.entries = calloc(room, sizeof(*v->entries)),
                         .sorted = calloc(room / 2, sizeof(*v->sorted)),
                         .mask = room - 1};
    return v->entries && v->sorted ? 0 : err_origin(-ENOMEM);
}

static void values_deinit(struct values *v) {
    free(v->entries);
    free(v->sorted);
}

static int compare(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int values_collect(struct values *v, const uint8_t *data, size_t n, unsigned width) {
    for (size_t i = 0; i < n; i++) {
        uint64_t value = load_element(data + i * width, width);
        struct entry *entry = find(v, value);
        if (entry->used)
            continue;
        if (v->n == CODED_MAX_VALUES)
            return MODEL_E_UNSUPPORTED;
        *entry = (struct entry){.value = value, .used = true};
        v->sorted[v->n++] = value;
    }
    qsort(v->sorted, v->n, sizeof(*v->sorted), compare);
    for (uint32_t i = 0; i < v->n; i++)
        find(v, v->sorted[i])->index = i;
    return 0;
}

static int fill(struct codebook *book, const struct values *v, const uint8_t *data, size_t n,
                unsigned width) {
    *book = (struct codebook){.values = malloc((size_t)v->n * width),
                              .n_values = v->n,
                              .low = malloc(n),
                              .high = malloc(n)};
    if (!book->values || !book->low || !book->high)
        return err_origin(-ENOMEM);
    for (uint32_t i = 0; i < v->n; i++) {
        uint8_t bytes[8];
        store_le64(bytes, v->sorted[i]);
        memcpy(book->values + (size_t)i * width, bytes, width);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t index = find(v, load_element(data + i * width, width))->index;
        book->low[i] = (uint8_t)index;
        book->high[i] = (uint8_t)(index >> 8);
    }
    return 0;
}

int codebook_init(struct codebook *ret, const uint8_t *data, size_t n, unsigned width) {
    struct codebook book = {0};
    struct values v;
    int r = values_init(&v, n);
    if (r == 0)
        r = values_collect(&v, data, n, width);
    if (r == 0)
        r = fill(&book, &v, data, n, width);
    values_deinit(&v);
    if (r)
        codebook_deinit(&book);
    else
        *ret = book;
    return r;
}

void codebook_deinit(struct codebook *book) {
    free(book->values);
    free(book->low);
    free(book->high);
}
