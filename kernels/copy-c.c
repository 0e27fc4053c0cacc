/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving data: boxes with strides (transpose, slice, concatenation, padding) and filling.
 */

#include <stdbool.h>
#include <string.h>

#include "kernels/list.h"

/* The axes with neighbours joined: the innermost is as long as the layout allows. */
struct box {
    int n_dims; /* at least 1 */
    int64_t count[KERN_MAX_DIMS + 1], src[KERN_MAX_DIMS + 1], dst[KERN_MAX_DIMS + 1];
};

static void box_init(struct box *b, const struct kern_copy *p) {
    *b = (struct box){.n_dims = 1, .count = {1}, .src = {p->elem_size}, .dst = {p->elem_size}};
    for (int32_t d = 0; d < p->n_dims; d++) {
        const int64_t n = p->count[d], src = p->src_stride[d], dst = p->dst_stride[d];
        if (n == 1)
            continue;
        const int last = b->n_dims - 1;
        const bool joins =
            b->count[last] == 1 || (b->src[last] == src * n && b->dst[last] == dst * n);
        const int at = joins ? last : b->n_dims++;
        b->count[at] = (joins ? b->count[at] : 1) * n;
        b->src[at] = src;
        b->dst[at] = dst;
    }
}

/* One run of the innermost axis. A constant size makes the memcpy a plain load and store. */
static void copy_run(const struct box *b, int32_t elem_size, const char *src, char *dst) {
    const int last = b->n_dims - 1;
    const int64_t n = b->count[last], s = b->src[last], d = b->dst[last];
    if (s == elem_size && d == elem_size) {
        memcpy(dst, src, (size_t)n * (size_t)elem_size);
        return;
    }
    switch (elem_size) {
    case 1:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * d, src + i * s, 1);
        break;
    case 2:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * d, src + i * s, 2);
        break;
    case 4:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * d, src + i * s, 4);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * d, src + i * s, (size_t)elem_size);
        break;
    }
}

void kern_copy_nd_c(const struct kern_copy *p, const void *x, void *y) {
    for (int32_t d = 0; d < p->n_dims; d++) {
        if (p->count[d] <= 0)
            return;
    }
    struct box b;
    box_init(&b, p);
    int64_t at[KERN_MAX_DIMS + 1] = {0};
    int64_t src = p->src_offset, dst = p->dst_offset;
    for (;;) {
        copy_run(&b, p->elem_size, (const char *)x + src, (char *)y + dst);
        int d = b.n_dims - 2;
        for (; d >= 0; d--) {
            src += b.src[d];
            dst += b.dst[d];
            if (++at[d] < b.count[d])
                break;
            src -= b.src[d] * at[d];
            dst -= b.dst[d] * at[d];
            at[d] = 0;
        }
        if (d < 0)
            return;
    }
}

void kern_fill_c(const void *value, int32_t elem_size, void *y, size_t n) {
    const size_t size = (size_t)elem_size;
    if (n == 0)
        return;
    memcpy(y, value, size);
    /* Doubling: everything filled so far is the pattern of the next copy. */
    for (size_t done = 1; done < n;) {
        size_t more = done < n - done ? done : n - done;
        memcpy((char *)y + done * size, y, more * size);
        done += more;
    }
}
