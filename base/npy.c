/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .npy: magic, version, length of the header, a Python dictionary literal, the values. The dictionary is parsed by a
 * cursor that never leaves the header; sizes are checked before anything is read.
 */

#include "base/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/error.h"

#define NPY_MAGIC "\x93NUMPY"
#define NPY_MAGIC_SIZE 6
#define NPY_ALIGN 64

/* How an element is stored. `widened` is DTYPE_NONE where it is taken as it is. */
struct npy_type {
    char code[3];
    enum dtype dtype;
    uint8_t size;
    bool is_unsigned_wide;
};

static const struct npy_type types[] = {
    {"f4", DTYPE_FP32, 4, false},  {"f8", DTYPE_FP64, 8, false},  {"i1", DTYPE_INT8, 1, false},
    {"u1", DTYPE_UINT8, 1, false}, {"i2", DTYPE_INT16, 2, false}, {"i4", DTYPE_INT32, 4, false},
    {"i8", DTYPE_INT64, 8, false}, {"b1", DTYPE_BOOL, 1, false},  {"u2", DTYPE_INT32, 2, true},
    {"u4", DTYPE_INT64, 4, true},  {"u8", DTYPE_INT64, 8, true},
};

struct cursor {
    const char *p, *end;
};

struct header {
    const struct npy_type *type;
    bool fortran_order;
    uint8_t n_dims;
    size_t dims[NPY_MAX_DIMS];
};

static void skip_space(struct cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t'))
        c->p++;
}

/* Takes the character if it comes next. */
static bool take(struct cursor *c, char wanted) {
    skip_space(c);
    if (c->p >= c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static bool take_word(struct cursor *c, const char *word) {
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

/* A string literal without escapes, shorter than `size`. */
static bool take_string(struct cursor *c, char *ret, size_t size) {
    skip_space(c);
    if (c->p >= c->end || (*c->p != '\'' && *c->p != '"'))
        return false;
    char quote = *c->p++;
    const char *close = memchr(c->p, quote, (size_t)(c->end - c->p));
    if (!close || (size_t)(close - c->p) >= size)
        return false;
    size_t n = (size_t)(close - c->p);
    memcpy(ret, c->p, n);
    ret[n] = 0;
    c->p = close + 1;
    return true;
}

static bool take_size(struct cursor *c, size_t *ret) {
    size_t value = 0;
    skip_space(c);
    const char *start = c->p;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
        if (!size_mul(value, 10, &value) || !size_add(value, (size_t)(*c->p - '0'), &value))
            return false;
    *ret = value;
    return c->p > start;
}

static int parse_descr(struct cursor *c, struct header *h, struct diag *diag) {
    char text[16];
    if (!take_string(c, text, sizeof(text)))
        return diag_set(diag, NPY_E_UNSUPPORTED,
                        "the header's descr is not one plain type: save an array of numbers");
    if (strlen(text) == 3 && strchr("<>=|", text[0]))
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
            if (strcmp(text + 1, types[i].code) == 0)
                h->type = &types[i];
    if (!h->type)
        return diag_set(
            diag, NPY_E_UNSUPPORTED,
            "type '%s' is not supported: convert with astype() to float32, float64, bool "
            "or an integer type",
            text);
    if (text[0] == '>' && h->type->size > 1)
        return diag_set(diag, NPY_E_UNSUPPORTED,
                        "type '%s' is big endian: convert with astype('<%s')", text, text + 1);
    return 0;
}

static int parse_shape(struct cursor *c, struct header *h, struct diag *diag) {
    if (!take(c, '('))
        return diag_set(diag, NPY_E_INVALID, "the header's shape is not a tuple");
    while (!take(c, ')')) {
        size_t dim;
        if (!take_size(c, &dim))
            return diag_set(diag, NPY_E_INVALID, "the header's shape is not a tuple of numbers");
        if (h->n_dims == NPY_MAX_DIMS)
            return diag_set(diag, NPY_E_UNSUPPORTED, "more than %d dimensions", NPY_MAX_DIMS);
        if (dim == 0)
            return diag_set(diag, NPY_E_UNSUPPORTED, "the array is empty: dimension %u is 0",
                            h->n_dims);
        h->dims[h->n_dims++] = dim;
        if (!take(c, ',')) {
            if (!take(c, ')'))
                return diag_set(diag, NPY_E_INVALID, "the header's shape does not end");
            break;
        }
    }
    return 0;
}

static int parse_value(struct cursor *c, const char *key, struct header *h, unsigned *seen,
                       struct diag *diag) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned k = 0;
    while (k < ARRAY_SIZE(keys) && strcmp(key, keys[k]) != 0)
        k++;
    if (k == ARRAY_SIZE(keys))
        return diag_set(diag, NPY_E_INVALID, "the header has an unknown key '%s'", key);
    if (*seen & 1U << k)
        return diag_set(diag, NPY_E_INVALID, "the header has '%s' twice", key);
    *seen |= 1U << k;
    if (k == 0)
        return parse_descr(c, h, diag);
    if (k == 2)
        return parse_shape(c, h, diag);
    h->fortran_order = take_word(c, "True");
    if (!h->fortran_order && !take_word(c, "False"))
        return diag_set(diag, NPY_E_INVALID,
                        "the header's fortran_order is neither True nor False");
    return 0;
}

static int parse_header(struct cursor *c, struct header *h, struct diag *diag) {
    unsigned seen = 0;
    if (!take(c, '{'))
        return diag_set(diag, NPY_E_INVALID, "the header is not a dictionary");
    while (!take(c, '}')) {
        char key[32];
        if (!take_string(c, key, sizeof(key)) || !take(c, ':'))
            return diag_set(diag, NPY_E_INVALID, "the header is not a dictionary of named values");
        int r = parse_value(c, key, h, &seen, diag);
        if (r)
            return r;
        if (!take(c, ',')) {
            if (!take(c, '}'))
                return diag_set(diag, NPY_E_INVALID, "the header's dictionary does not end");
            break;
        }
    }
    skip_space(c);
    if (c->p != c->end)
        return diag_set(diag, NPY_E_INVALID, "the header goes on after its dictionary");
    if (seen != 7)
        return diag_set(diag, NPY_E_INVALID, "the header lacks descr, fortran_order or shape");
    if (h->fortran_order && h->n_dims > 1)
        return diag_set(diag, NPY_E_UNSUPPORTED,
                        "the array is in Fortran order: save numpy.ascontiguousarray() of it");
    return 0;
}

/* Unsigned integers become the next wider signed type; a uint64 must fit into an int64. */
static int widen(const struct npy_type *type, const uint8_t *from, size_t n, void *to,
                 struct diag *diag) {
    for (size_t i = 0; i < n; i++) {
        if (type->size == 2) {
            ((int32_t *)to)[i] = load_le16(from + 2 * i);
        } else if (type->size == 4) {
            ((int64_t *)to)[i] = load_le32(from + 4 * i);
        } else {
            uint64_t value = load_le64(from + 8 * i);
            if (value > INT64_MAX)
                return diag_set(diag, NPY_E_UNSUPPORTED, "element %zu, %" PRIu64 ", is too large",
                                i, value);
            ((int64_t *)to)[i] = (int64_t)value;
        }
    }
    return 0;
}

static int take_values(const struct header *h, const uint8_t *values, struct npy *npy,
                       struct diag *diag) {
    size_t align = dtype_size(npy->dtype);
    if (!h->type->is_unsigned_wide && (uintptr_t)values % align == 0) {
        npy->data = values;
        return 0;
    }
    void *owned = malloc(npy->size);
    if (!owned)
        return diag_set(diag, err_origin(-ENOMEM), "out of memory for %zu bytes", npy->size);
    if (h->type->is_unsigned_wide) {
        int r = widen(h->type, values, npy->n, owned, diag);
        if (r) {
            free(owned);
            return r;
        }
    } else {
        memcpy(owned, values, npy->size);
    }
    npy->data = npy->owned = owned;
    return 0;
}

bool npy_probe(const void *bytes, size_t size) {
    return size >= NPY_MAGIC_SIZE && memcmp(bytes, NPY_MAGIC, NPY_MAGIC_SIZE) == 0;
}

/* Where the dictionary is. */
static int find_header(const uint8_t *bytes, size_t size, struct cursor *ret, struct diag *diag) {
    if (!npy_probe(bytes, size) || size < NPY_MAGIC_SIZE + 4)
        return diag_set(diag, NPY_E_INVALID, "not an .npy file");
    uint8_t major = bytes[NPY_MAGIC_SIZE];
    if (major != 1 && major != 2)
        return diag_set(diag, NPY_E_UNSUPPORTED, ".npy version %u is not supported", major);
    size_t at = NPY_MAGIC_SIZE + (major == 1 ? 4 : 6);
    if (size < at)
        return diag_set(diag, NPY_E_INVALID, "the file ends in its header");
    size_t length = major == 1 ? load_le16(bytes + 8) : load_le32(bytes + 8);
    if (length > NPY_MAX_HEADER)
        return diag_set(diag, NPY_E_INVALID,
                        "the header says it has %zu bytes; at most %d are taken", length,
                        NPY_MAX_HEADER);
    if (!range_within(at, length, size))
        return diag_set(diag, NPY_E_INVALID, "the file ends in its header");
    *ret = (struct cursor){(const char *)bytes + at, (const char *)bytes + at + length};
    return 0;
}

int npy_parse(const void *bytes, size_t size, struct npy *ret_npy, struct diag *diag) {
    struct cursor c = {0};
    struct header h = {0};
    int r = find_header(bytes, size, &c, diag);
    if (r)
        return r;
    const uint8_t *values = (const uint8_t *)c.end;
    size_t rest = size - (size_t)(values - (const uint8_t *)bytes);
    r = parse_header(&c, &h, diag);
    if (r)
        return r;

    struct npy npy = {.dtype = h.type->dtype, .n_dims = h.n_dims, .n = 1};
    size_t stored;
    bool fits = true;
    for (unsigned d = 0; d < h.n_dims; d++) {
        npy.dims[d] = h.dims[d];
        fits = fits && size_mul(npy.n, h.dims[d], &npy.n);
    }
    if (!fits || !size_mul(npy.n, h.type->size, &stored) ||
        !size_mul(npy.n, dtype_size(npy.dtype), &npy.size))
        return diag_set(diag, NPY_E_INVALID, "the header's shape is too large");
    if (stored != rest)
        return diag_set(diag, NPY_E_INVALID,
                        "the header's shape needs %zu bytes, the file has %zu after the header",
                        stored, rest);
    r = take_values(&h, values, &npy, diag);
    if (r)
        return r;
    *ret_npy = npy;
    return 0;
}

int npy_read(const char *path, struct npy *ret_npy, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    int r = map_read_file(path, NPY_MAX_BYTES, &map, diag);
    if (r)
        return r;
    r = npy_parse(map.data, map.size, ret_npy, diag);
    if (r)
        return diag_prefix(diag, r, "%s", path);
    ret_npy->map = map;
    map = (struct map){0};
    return 0;
}

void npy_deinit(struct npy *npy) {
    free(npy->owned);
    map_deinit(&npy->map);
    *npy = (struct npy){0};
}

int npy_write_header(struct buffer *buffer, enum dtype dtype, const size_t *dims, uint8_t n_dims) {
    const struct npy_type *type = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(types) && !type; i++)
        if (types[i].dtype == dtype && !types[i].is_unsigned_wide)
            type = &types[i];
    if (!type || n_dims > NPY_MAX_DIMS)
        return err_origin(-EINVAL);
    size_t start = buffer->len;
    int r = buffer_append(buffer, NPY_MAGIC "\x01\x00\x00\x00", NPY_MAGIC_SIZE + 4);
    if (!r)
        r = buffer_printf(buffer, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                          type->size == 1 ? '|' : '<', type->code);
    for (unsigned d = 0; d < n_dims && !r; d++)
        r = buffer_printf(buffer, "%s%zu%s", d ? ", " : "", dims[d], n_dims == 1 ? "," : "");
    if (!r)
        r = buffer_printf(buffer, "), }");
    /* Spaces and a newline bring the values to a multiple of 64. */
    while (!r && (buffer->len - start + 1) % NPY_ALIGN)
        r = buffer_append(buffer, " ", 1);
    if (!r)
        r = buffer_append(buffer, "\n", 1);
    if (r)
        return err_trace(r);
    store_le16(buffer->data + start + 8, (uint16_t)(buffer->len - start - NPY_MAGIC_SIZE - 4));
    return 0;
}
