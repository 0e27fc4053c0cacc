/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDX to NPY.
 */

#include "tests/eval/mnist.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/eval/command.h"
#include "tests/load/outcome.h"

#define IDX_MAX ((size_t)64 << 20)
#define MAGIC_IMAGES 2051
#define MAGIC_LABELS 2049
#define SIDE 28
#define NPY_HEADER 128 /* bytes: all in front of the values */

/* Big endian, as IDX files are. */
static uint32_t load_be32(const char *p) {
    return __builtin_bswap32(load_le32(p));
}

static char *unpack(const char *folder, const char *name, size_t *ret_size) {
    char path[4096], *text;
    snprintf(path, sizeof(path), "%s/%s.xz", folder, name);
    const char *const argv[] = {"xz", "-dc", path, NULL};
    int status = command_run(argv, IDX_MAX, &text, ret_size);
    expect(status == 0, "xz -dc %s: exit status %d", path, status);
    return text;
}

/* Format 1.0. */
static void write_header(FILE *file, const char *descr, const char *shape) {
    static const char magic[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, NPY_HEADER - 10, 0};
    char header[NPY_HEADER + 1];
    memcpy(header, magic, sizeof(magic));
    int n = snprintf(header + sizeof(magic), sizeof(header) - sizeof(magic),
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
    size_t end = sizeof(magic) + (size_t)n;
    memset(header + end, ' ', NPY_HEADER - end);
    header[NPY_HEADER - 1] = '\n';
    fwrite(header, 1, NPY_HEADER, file);
}

static FILE *create(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    expect(file, "%s: %s", path, strerror(errno));
    return file;
}

static void finish(FILE *file) {
    bool ok = !ferror(file);
    expect(fclose(file) == 0 && ok, "cannot write: %s", strerror(errno));
}

static void write_images(const char *idx, size_t size, const char *dir) {
    char shape[64];
    uint8_t value[4];
    expect(size >= 16 && load_be32(idx) == MAGIC_IMAGES && load_be32(idx + 8) == SIDE &&
               load_be32(idx + 12) == SIDE,
           "no IDX file of 28 x 28 images");
    size_t n = load_be32(idx + 4);
    expect(size == 16 + n * SIDE * SIDE, "an IDX file of another size");
    FILE *file = create(dir, "x.npy");
    snprintf(shape, sizeof(shape), "%zu, %d, %d, 1", n, SIDE, SIDE);
    write_header(file, "<f4", shape);
    for (size_t i = 16; i < size; i++) {
        store_lef32(value, (float)(uint8_t)idx[i] / 255.0f);
        fwrite(value, 1, sizeof(value), file);
    }
    finish(file);
}

static void write_labels(const char *idx, size_t size, const char *dir) {
    char shape[64];
    uint8_t value[8];
    expect(size >= 8 && load_be32(idx) == MAGIC_LABELS && size == 8 + (size_t)load_be32(idx + 4),
           "no IDX file of labels");
    FILE *file = create(dir, "y.npy");
    snprintf(shape, sizeof(shape), "%zu,", size - 8);
    write_header(file, "<i8", shape);
    for (size_t i = 8; i < size; i++) {
        store_le64(value, (uint8_t)idx[i]);
        fwrite(value, 1, sizeof(value), file);
    }
    finish(file);
}

bool mnist_unpack(const char *folder, const char *dir) {
    size_t size;
    char *text;
    const char *const probe[] = {"sh", "-c", "command -v xz >/dev/null", NULL};
    if (command_run(probe, 0, NULL, NULL) != 0)
        return false;
    text = unpack(folder, "t10k-images-idx3-ubyte", &size);
    write_images(text, size, dir);
    free(text);
    text = unpack(folder, "t10k-labels-idx1-ubyte", &size);
    write_labels(text, size, dir);
    free(text);
    return true;
}
