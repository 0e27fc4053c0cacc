/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving data: boxes with strides (transpose, slice, concatenation, padding) and filling.
 */

#include <string.h>

#include "kernels/list.h"

/* One run of the innermost axis. A constant size makes the memcpy a plain load and store. */
static void copy_run(const struct kern_copy *p, const char *src, char *dst) {
    const int32_t last = p->n_dims - 1, elem_size = p->elem_size;
    const int64_t n = p->count[last], s = p->src_stride[last], d = p->dst_stride[last];
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
    int64_t at[KERN_MAX_DIMS] = {0};
    int64_t src = p->src_offset, dst = p->dst_offset;
    for (;;) {
        copy_run(p, (const char *)x + src, (char *)y + dst);
        int32_t d = p->n_dims - 2;
        for (; d >= 0; d--) {
            src += p->src_stride[d];
            dst += p->dst_stride[d];
            if (++at[d] < p->count[d])
                break;
            src -= p->src_stride[d] * at[d];
            dst -= p->dst_stride[d] * at[d];
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
