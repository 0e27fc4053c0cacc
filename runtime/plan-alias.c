/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that share memory: views of another value, parts that are computed where they are joined, results in the place
 * of operands. None of it changes a byte of what steps compute.
 */

#include "base/arith.h"
#include "base/error.h"
#include "runtime/plan.h"

uint32_t plan_root(const struct plan *plan, uint32_t value, uint64_t *ret_at) {
    uint64_t at = 0;
    while (plan->values[value].alias != PLAN_NONE) {
        at += plan->values[value].at;
        value = plan->values[value].alias;
    }
    if (ret_at)
        *ret_at = at;
    return value;
}

enum space plan_space(const struct plan *plan, uint32_t value) {
    return plan->values[plan_root(plan, value, NULL)].space;
}

void plan_alias(struct plan *plan, uint32_t tensor, uint32_t of, uint64_t at) {
    uint64_t before;
    uint32_t root = plan_root(plan, of, &before);
    plan->values[tensor].alias = root;
    plan->values[tensor].at = before + at;
}

bool plan_absorb(struct plan *plan, uint32_t value, uint32_t into, uint64_t at) {
    uint32_t root = plan_root(plan, value, NULL), target = plan_root(plan, into, NULL);
    struct value *v = &plan->values[root], *t = &plan->values[target];
    /* A part of a larger value cannot go without the rest. */
    if (v->space != SPACE_ARENA || v->first == PLAN_NONE || root == target ||
        v->size != plan->values[value].size)
        return false;
    t->first = MIN(t->first, v->first);
    t->last = MAX(t->last, v->last);
    plan_alias(plan, root, into, at);
    return true;
}

bool plan_overwritten(const struct plan *plan, uint32_t state, uint32_t last) {
    const struct graph *g = plan->graph;
    /* The writer itself may read it: it moves bytes as if through a copy. */
    for (uint32_t o = plan->op + 1; o < MIN(last, g->n_ops); o++)
        if (g->ops[o].kind == OP_WRITE_STATE && (uint32_t)g->ops[o].inputs[0] == state)
            return true;
    return false;
}

bool plan_append(struct plan *plan, uint32_t tensor, uint32_t value) {
    uint64_t at;
    uint32_t root = plan_root(plan, value, &at);
    struct value *state = &plan->values[root];
    /* Whoever takes the room behind it makes the state end there: nobody else does. */
    if (state->space != SPACE_STATE || at + plan->values[value].size != state->size ||
        plan_overwritten(plan, root, plan->last_reader[tensor]))
        return false;
    plan_alias(plan, tensor, value, 0);
    state->size = at + plan->values[tensor].size;
    return true;
}

int plan_place_states(struct plan *plan) {
    for (uint32_t t = 0; t < plan->graph->n_tensors; t++) {
        struct value *value = &plan->values[t];
        if (value->space != SPACE_STATE)
            continue;
        value->offset = plan->state_bytes;
        value->placed = true;
        plan->state_bytes += ALIGN_UP(value->size, KERN_PACK_ALIGN);
        if (plan->state_bytes > UINT32_MAX)
            return diag_set(plan->diag, MODEL_E_UNSUPPORTED, "state of more than 4 GiB");
    }
    return 0;
}

/* Bit k: the kernel allows its result where operand k is (kernels.h). */
static unsigned shareable(enum step_fn fn) {
    switch (fn) {
    case STEP_ADD_S8:
    case STEP_SUB_S8:
    case STEP_MUL_S8:
    case STEP_MAX_S8:
    case STEP_MIN_S8:
    case STEP_ADD_F32:
    case STEP_SUB_F32:
    case STEP_MUL_F32:
    case STEP_MAX_F32:
    case STEP_MIN_F32:
        return 3;
    case STEP_LUT_8: /* operand 0 is the table */
        return 2;
    case STEP_LOGISTIC_F32:
    case STEP_TANH_F32:
    case STEP_CLAMP_F32:
    case STEP_LEAKY_RELU_F32:
        return 1;
    default:
        return 0;
    }
}

/* Gives the result of step `i` the place of operand `x`, if the step is the last to read that and the first to write its
 * result. Equal sizes: an operand that is broadcast is smaller. */
static bool take_place(struct plan *plan, uint32_t i, uint32_t x, uint32_t y) {
    const struct plan_step *s = &plan->steps[i];
    uint32_t from = plan_root(plan, x, NULL), to = plan_root(plan, y, NULL);
    struct value *a = &plan->values[from], *b = &plan->values[to];
    if (a->space != SPACE_ARENA || b->space != SPACE_ARENA || from == to || a->last != i ||
        b->first != i || a->size != b->size || plan->values[x].size != a->size ||
        plan->values[y].size != b->size)
        return false;
    /* The other operand may be a part of this one, read again and again. */
    for (unsigned k = 0; k < s->n_inputs; k++)
        if (plan_root(plan, s->values[k], NULL) == from &&
            plan->values[s->values[k]].size != a->size)
            return false;
    a->last = b->last;
    plan_alias(plan, to, from, 0);
    return true;
}

void plan_share(struct plan *plan) {
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        struct plan_step *s = &plan->steps[i];
        unsigned operands = shareable((enum step_fn)s->step.fn);
        for (unsigned k = 0; operands >> k; k++)
            if ((operands >> k & 1) && take_place(plan, i, s->values[k], s->values[s->n_inputs])) {
                plan_note_step(plan, s, "in place");
                break;
            }
    }
}
