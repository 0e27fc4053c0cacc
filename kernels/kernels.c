/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of operations, one for each tier: the C reference first, then what the architecture
 * does better, then OpenBLAS before the float convolutions.
 */

#include "kernels/kernels.h"

#include <pthread.h>
#include <string.h>

#include "kernels/arch.h"
#include "kernels/blas.h"
#include "kernels/list.h"

extern const struct kern_conv_impl kern_conv_f32_c, kern_depthwise_f32_c;

#define COUNT_OP(op) +1
_Static_assert(sizeof(struct kernels) - offsetof(struct kernels, avg_pool_s8) ==
                   (KERN_OPS(COUNT_OP)) * sizeof(void (*)(void)),
               "an operation is missing in list.h");

static struct kernels tables[TIER_END];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_c(struct kernels *k) {
#define USE_C(op) k->op = kern_##op##_c;
    KERN_OPS(USE_C)
#undef USE_C
    k->conv_s8[0] = &kern_depthwise_s8_c;
    k->conv_s8[1] = &kern_conv_s8_c;
    k->conv_f32[0] = &kern_depthwise_f32_c;
    k->conv_f32[1] = &kern_conv_f32_c;
    k->conv_hybrid[0] = &kern_hybrid_c;
}

void kern_prepend(const struct kern_conv_impl **list, const struct kern_conv_impl *impl) {
    memmove(list + 1, list, (KERN_MAX_VARIANTS - 1) * sizeof(*list));
    list[0] = impl;
}

static void init(void) {
    blas_prepare();
    for (unsigned t = 0; t < TIER_END; t++) {
        struct kernels *k = &tables[t];
        k->tier = (enum tier)t;
        init_c(k);
        kern_init_arch(k, (enum tier)t);
        if (t != TIER_C) {
            k->conv_f32[2] = &kern_conv_f32_c; /* products too small for the tier's own */
            kern_prepend(k->conv_f32, &kern_conv_f32_blas);
            kern_init_arch_sparse(k, (enum tier)t);
            continue;
        }
        kern_prepend(k->conv_s8, &kern_sparse_s8_c);
        kern_prepend(k->conv_f32, &kern_sparse_f32_c);
    }
}

const struct kernels *kernels_get(enum tier tier) {
    pthread_once(&once, init);
    return &tables[tier];
}

unsigned kern_conv_choose(const struct kern_conv_impl *const *list, const struct kern_conv *p) {
    unsigned i = 0;
    while (list[i]->refuses(p))
        i++;
    return i;
}

size_t kern_conv_packed_size(const struct kern_conv_impl *impl, const struct kern_conv *p,
                             const struct kern_conv_weights *w) {
    return impl->packed_size_of ? impl->packed_size_of(p, w) : impl->packed_size(p);
}
