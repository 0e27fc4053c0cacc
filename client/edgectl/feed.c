/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files to runs: .npy, raw bytes, recordings and pictures. feed-json.c has JSON.
 */

#include "client/edgectl/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/npy.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/picture.h"
#include "client/edgectl/wav.h"

#define FRONTEND_SAMPLE_RATE 16000 /* Hz, of every sound front end there is */

enum format {
    FORMAT_BIN,
    FORMAT_NPY,
    FORMAT_JSON,
    FORMAT_WAV,
    FORMAT_PNG,
};

void feed_init(struct feed *feed, const struct source *source) {
    *feed = (struct feed){.source = source};
    for (uint32_t i = 0; i < source->n_inputs; i++)
        buffer_init(&feed->values[i], FEED_MAX_BYTES);
}

void feed_deinit(struct feed *feed) {
    for (uint32_t i = 0; i < feed->source->n_inputs; i++)
        buffer_deinit(&feed->values[i]);
}

static int no_room(struct diag *diag, int r) {
    if (r == -EMSGSIZE)
        return diag_set(diag, FEED_E_INVALID, "the inputs are larger than %zu MiB",
                        FEED_MAX_BYTES >> 20);
    return diag_set(diag, err_trace(r), "out of memory");
}

int feed_add_values(struct feed *feed, uint32_t input, enum dtype dtype, const void *values,
                    size_t n, struct diag *diag) {
    const struct port *port = &feed->source->inputs[input];
    size_t per_run = port_elements(port), size;
    char shape[PORT_SHAPE_MAX];
    if (n == 0 || n % per_run)
        return diag_set(diag, FEED_E_INVALID, "%zu values do not fit input '%s' %s: %zu each run",
                        n, port->name, port_shape(port->dims, port->n_dims, shape), per_run);
    if (!size_mul(n, dtype_size(port->dtype), &size))
        return no_room(diag, -EMSGSIZE);
    struct buffer *b = &feed->values[input];
    int r = buffer_reserve(b, size);
    if (r)
        return no_room(diag, r);
    r = port_quantize(port, dtype, values, n, b->data + b->len);
    if (r)
        return diag_set(diag, FEED_E_INVALID, "%s values cannot be converted to input '%s' (%s)",
                        dtype_name(dtype), port->name, dtype_name(port->dtype));
    b->len += size;
    return 0;
}

/* Whether an array of this shape is runs of the port: the port's shape; a leading axis of samples before it; or its
 * first axis longer by a factor. Axes of one do not matter. */
static bool shape_fits(const struct port *port, const struct npy *npy) {
    size_t want[GRAPH_MAX_DIMS], have[NPY_MAX_DIMS];
    unsigned n_want = 0, n_have = 0;
    for (unsigned d = 0; d < port->n_dims; d++)
        if (port->dims[d] != 1)
            want[n_want++] = (size_t)port->dims[d];
    for (unsigned d = 0; d < npy->n_dims; d++)
        if (npy->dims[d] != 1)
            have[n_have++] = npy->dims[d];
    if (n_have == n_want && memcmp(have, want, n_want * sizeof(*want)) == 0)
        return true;
    if (n_have == n_want + 1 && memcmp(have + 1, want, n_want * sizeof(*want)) == 0)
        return true;
    return n_have == n_want && n_want > 0 && port->dims[0] != 1 && have[0] % want[0] == 0 &&
           memcmp(have + 1, want + 1, (n_want - 1) * sizeof(*want)) == 0;
}

int feed_add_npy(struct feed *feed, uint32_t input, const void *bytes, size_t size,
                 struct diag *diag) {
    const struct port *port = &feed->source->inputs[input];
    struct npy npy;
    int r = npy_parse(bytes, size, &npy, diag);
    if (r)
        return r < 0 ? r : FEED_E_INVALID;
    if (shape_fits(port, &npy)) {
        r = feed_add_values(feed, input, npy.dtype, npy.data, npy.n, diag);
    } else {
        char want[PORT_SHAPE_MAX], have[PORT_SHAPE_MAX];
        int32_t dims[NPY_MAX_DIMS];
        for (unsigned d = 0; d < npy.n_dims; d++)
            dims[d] = (int32_t)MIN(npy.dims[d], (size_t)INT32_MAX);
        r = diag_set(diag, FEED_E_INVALID, "an array of shape %s does not fit input '%s' %s",
                     port_shape(dims, npy.n_dims, have), port->name,
                     port_shape(port->dims, port->n_dims, want));
    }
    npy_deinit(&npy);
    return r;
}

/* Raw bytes of one input. */
static int add_bin(struct feed *feed, uint32_t input, const void *bytes, size_t size,
                   struct diag *diag) {
    const struct port *port = &feed->source->inputs[input];
    if (size == 0 || size % port->size)
        return diag_set(diag, FEED_E_INVALID,
                        "%zu raw bytes are not a whole number of inputs: '%s' (%s) has %zu", size,
                        port->name, dtype_name(port->dtype), port->size);
    int r = buffer_append(&feed->values[input], bytes, size);
    return r ? no_room(diag, r) : 0;
}

/* Raw bytes of all inputs of a run, run after run. */
static int add_bin_runs(struct feed *feed, const uint8_t *bytes, size_t size, struct diag *diag) {
    size_t per_run = 0;
    for (uint32_t i = 0; i < feed->source->n_inputs; i++)
        per_run += feed->source->inputs[i].size;
    if (size == 0 || size % per_run)
        return diag_set(
            diag, FEED_E_INVALID,
            "%zu raw bytes are not a whole number of runs: all inputs of one run have %zu", size,
            per_run);
    for (size_t at = 0; at < size;) {
        for (uint32_t i = 0; i < feed->source->n_inputs; i++) {
            int r = buffer_append(&feed->values[i], bytes + at, feed->source->inputs[i].size);
            if (r)
                return no_room(diag, r);
            at += feed->source->inputs[i].size;
        }
    }
    return 0;
}

static int no_frontend(const struct feed *feed, uint32_t input, const char *what, const char *kind,
                       struct diag *diag) {
    const struct port *port = &feed->source->inputs[input];
    char shape[PORT_SHAPE_MAX];
    return diag_set(
        diag, FEED_E_INVALID,
        "input '%s' takes %s %s, not %s: import the network with --frontend %s, or give "
        "its features as .npy",
        port->name, dtype_name(port->dtype), port_shape(port->dims, port->n_dims, shape), what,
        kind);
}

static int add_wav(struct feed *feed, uint32_t input, const void *bytes, size_t size,
                   struct diag *diag) {
    const struct port *port = &feed->source->inputs[input];
    if (!feed->source->has_frontend || input != 0 ||
        (port->dtype != DTYPE_INT16 && port->dtype != DTYPE_FP32))
        return no_frontend(feed, input, "a recording", "mfcc", diag);
    size_t n = port_elements(port);
    _cleanup_(buffer_deinit) struct buffer samples;
    buffer_init(&samples, FEED_MAX_BYTES);
    int r = buffer_reserve(&samples, n * (sizeof(int16_t) + sizeof(float)));
    if (r)
        return no_room(diag, r);
    float *scaled = (float *)(void *)samples.data;
    int16_t *pcm = (int16_t *)(void *)(scaled + n);
    r = wav_parse(bytes, size, FRONTEND_SAMPLE_RATE, n, pcm, diag);
    if (r)
        return r < 0 ? r : FEED_E_INVALID;
    if (port->dtype == DTYPE_INT16)
        return feed_add_values(feed, input, DTYPE_INT16, pcm, n, diag);
    for (size_t i = 0; i < n; i++)
        scaled[i] = (float)pcm[i] / 32768;
    return feed_add_values(feed, input, DTYPE_FP32, scaled, n, diag);
}

static int add_png(struct feed *feed, uint32_t input, const void *bytes, size_t size,
                   struct diag *diag) {
    const struct port *port = &feed->source->inputs[input];
    if (!feed->source->has_frontend || input != 0 || port->dtype != DTYPE_UINT8 ||
        port->n_dims != 4 || (port->dims[3] != 1 && port->dims[3] != 3))
        return no_frontend(feed, input, "a picture", "pixels", diag);
    struct buffer *b = &feed->values[input];
    int r = buffer_reserve(b, port->size);
    if (r)
        return no_room(diag, r);
    r = picture_parse(bytes, size, (uint32_t)port->dims[1], (uint32_t)port->dims[2],
                      (uint32_t)port->dims[3], b->data + b->len, diag);
    if (r)
        return r < 0 ? r : FEED_E_INVALID;
    b->len += port->size;
    return 0;
}

/* By the file's name; standard input, and names that say nothing, by content. */
static int find_format(const char *path, const struct map *map, enum format *ret,
                       struct diag *diag) {
    static const struct {
        const char *suffix;
        enum format format;
    } suffixes[] = {
        {".npy", FORMAT_NPY}, {".bin", FORMAT_BIN}, {".json", FORMAT_JSON},
        {".wav", FORMAT_WAV}, {".png", FORMAT_PNG},
    };
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (ctl_has_suffix(path, suffixes[i].suffix)) {
            *ret = suffixes[i].format;
            return 0;
        }
    }
    const char *text = map->data;
    size_t blank = 0;
    while (blank < map->size && strchr(" \t\r\n", text[blank]) && text[blank])
        blank++;
    if (npy_probe(map->data, map->size))
        *ret = FORMAT_NPY;
    else if (wav_probe(map->data, map->size))
        *ret = FORMAT_WAV;
    else if (picture_probe(map->data, map->size))
        *ret = FORMAT_PNG;
    else if (blank < map->size && (text[blank] == '[' || text[blank] == '{'))
        *ret = FORMAT_JSON;
    else if (strcmp(path, "-") == 0)
        *ret = FORMAT_BIN;
    else
        return diag_set(diag, FEED_E_INVALID,
                        "neither its name nor its content is .npy, .bin, .json, .wav or .png");
    return 0;
}

/* All of standard input, which may be a pipe. */
static int read_stdin(struct buffer *b, struct diag *diag) {
    for (;;) {
        int r = buffer_reserve(b, 65536);
        if (r)
            return no_room(diag, r);
        ssize_t n = read(STDIN_FILENO, b->data + b->len, b->cap - b->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return diag_set(diag, err_origin(-errno), "cannot be read: %s", strerror(errno));
        if (n == 0)
            return 0;
        b->len += (size_t)n;
    }
}

/* Splits [TENSOR=]FILE. Names of tensors may hold '=' themselves: the inputs' names decide. */
static int split(const struct feed *feed, const char *argument, const char **ret_path,
                 int *ret_input, struct diag *diag) {
    *ret_input = -1;
    *ret_path = argument;
    for (const char *p = strchr(argument, '='); p; p = strchr(p + 1, '=')) {
        int input = source_find_input(feed->source, argument, (size_t)(p - argument));
        if (input >= 0) {
            *ret_input = input;
            *ret_path = p + 1;
            return 0;
        }
    }
    const char *equals = strchr(argument, '=');
    if (equals && access(argument, F_OK) != 0)
        return diag_set(diag, FEED_E_INVALID, "the network has no input '%.*s'; its first is '%s'",
                        (int)MIN(equals - argument, (ptrdiff_t)80), argument,
                        feed->source->inputs[0].name);
    return 0;
}

static int add_bytes(struct feed *feed, int named, enum format format, const struct map *map,
                     struct diag *diag) {
    if (format == FORMAT_BIN && named < 0)
        return add_bin_runs(feed, map->data, map->size, diag);
    uint32_t input = named >= 0 ? (uint32_t)named : feed->next;
    if (named < 0)
        feed->next = (feed->next + 1) % feed->source->n_inputs;
    switch (format) {
    case FORMAT_BIN:
        return add_bin(feed, input, map->data, map->size, diag);
    case FORMAT_NPY:
        return feed_add_npy(feed, input, map->data, map->size, diag);
    case FORMAT_JSON:
        return feed_add_json(feed, input, map->data, map->size, diag);
    case FORMAT_WAV:
        return add_wav(feed, input, map->data, map->size, diag);
    case FORMAT_PNG:
        return add_png(feed, input, map->data, map->size, diag);
    }
    return err_origin(-ENOTRECOVERABLE);
}

int feed_add(struct feed *feed, const char *argument, struct diag *diag) {
    _cleanup_(map_deinit) struct map map = {0};
    _cleanup_(buffer_deinit) struct buffer piped;
    buffer_init(&piped, FEED_MAX_BYTES);
    const char *path;
    int named, r;
    r = split(feed, argument, &path, &named, diag);
    if (r)
        return r;
    struct map bytes;
    if (strcmp(path, "-") == 0) {
        r = read_stdin(&piped, diag);
        if (r)
            return diag_prefix(diag, r, "standard input");
        bytes = (struct map){piped.data, piped.len};
    } else {
        r = map_read_file(path, NPY_MAX_BYTES, &map, diag);
        if (r)
            return r;
        bytes = map;
    }
    enum format format = FORMAT_BIN;
    r = find_format(path, &bytes, &format, diag);
    if (!r)
        r = add_bytes(feed, named, format, &bytes, diag);
    return r ? diag_prefix(diag, r, "%s", path) : 0;
}

int feed_finish(struct feed *feed, struct diag *diag) {
    const struct source *s = feed->source;
    for (uint32_t i = 0; i < s->n_inputs; i++) {
        size_t runs = feed->values[i].len / s->inputs[i].size;
        if (runs == 0)
            return diag_set(diag, FEED_E_INVALID, "input '%s' has no values: add --input %s=FILE",
                            s->inputs[i].name, s->inputs[i].name);
        if (i && runs != feed->n_runs)
            return diag_set(diag, FEED_E_INVALID, "input '%s' has %zu runs, input '%s' %zu",
                            s->inputs[0].name, feed->n_runs, s->inputs[i].name, runs);
        feed->n_runs = runs;
    }
    return 0;
}
