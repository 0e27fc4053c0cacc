/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greedy placement by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020,
 * section 5.2): the largest value first, each into the smallest gap that its lifetime leaves free.
 */

#include "runtime/place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/error.h"
#include "runtime/plan.h"

struct slot {
    uint32_t value;
    uint32_t first, last;
    uint64_t offset, size;
};

static int by_size_down(const void *a, const void *b) {
    const struct slot *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static bool meet(const struct slot *a, const struct slot *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* Puts `slot` after `placed[0..n)`, which are sorted by offset, and keeps them sorted. */
static void put(struct slot *placed, size_t n, struct slot slot) {
    uint64_t end = 0, best = UINT64_MAX, best_gap = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        if (!meet(&placed[i], &slot))
            continue;
        if (placed[i].offset >= end) {
            uint64_t gap = placed[i].offset - end;
            if (gap >= slot.size && gap < best_gap) {
                best = end;
                best_gap = gap;
            }
        }
        end = MAX(end, placed[i].offset + placed[i].size);
    }
    slot.offset = best == UINT64_MAX ? end : best;
    size_t i = n;
    for (; i > 0 && placed[i - 1].offset > slot.offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = slot;
}

int place_values(struct plan *plan) {
    struct slot *slots = plan_alloc(plan, plan->n_values, sizeof(*slots));
    struct slot *placed = plan_alloc(plan, plan->n_values, sizeof(*placed));
    if (!slots || !placed)
        return err_origin(-ENOMEM);
    size_t n = 0;
    for (uint32_t i = 0; i < plan->n_values; i++) {
        const struct value *v = &plan->values[i];
        if (v->space != SPACE_ARENA || v->alias != PLAN_NONE || v->first == PLAN_NONE)
            continue;
        slots[n++] = (struct slot){.value = i,
                                   .first = v->first,
                                   .last = v->last,
                                   .size = ALIGN_UP(v->size, KERN_PACK_ALIGN)};
    }
    qsort(slots, n, sizeof(*slots), by_size_down);
    for (size_t i = 0; i < n; i++)
        put(placed, i, slots[i]);

    /* The state's copy for runs without a session comes first. */
    uint64_t end = plan->state_bytes;
    for (size_t i = 0; i < n; i++) {
        struct value *v = &plan->values[placed[i].value];
        v->offset = plan->state_bytes + placed[i].offset;
        v->placed = true;
        end = MAX(end, v->offset + placed[i].size);
    }
    if (end > UINT32_MAX)
        return diag_set(plan->diag, MODEL_E_UNSUPPORTED,
                        "one run needs more than 4 GiB of working memory");
    plan->arena_bytes = ALIGN_UP(end, RUNTIME_ARENA_ALIGN);
    return 0;
}
