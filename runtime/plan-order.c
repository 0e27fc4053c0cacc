/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the graph before it is planned: who reads each tensor, and when a state is best overwritten.
 */

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "runtime/plan.h"

/* Whether an operator's outputs may come to lie in the memory of its first operand (plan-move.c decides). */
static bool may_share(enum op_kind kind) {
    return kind == OP_RESHAPE || kind == OP_STRIDED_SLICE || kind == OP_SPLIT ||
           kind == OP_CONCATENATION || kind == OP_TRANSPOSE;
}

/* From the end to the beginning, so that what reads an output is known when its operator is met. */
static void find_last_readers(const struct graph *g, uint32_t *last) {
    memset(last, 0, g->n_tensors * sizeof(*last));
    for (uint32_t i = 0; i < g->n_outputs; i++)
        last[g->outputs[i]] = g->n_ops;
    for (uint32_t o = g->n_ops; o-- > 0;) {
        const struct op *op = &g->ops[o];
        uint32_t reader = o;
        for (unsigned k = 0; may_share(op->kind) && k < op->n_outputs; k++)
            reader = MAX(reader, last[op->outputs[k]]);
        for (unsigned k = 0; k < op->n_inputs; k++)
            if (op->inputs[k] != GRAPH_NONE)
                last[op->inputs[k]] = MAX(last[op->inputs[k]], reader);
    }
}

/* Who reads each tensor, where that is one operator and nobody outside. */
static void find_consumers(struct plan *plan) {
    const struct graph *g = plan->graph;
    uint32_t *consumer = plan->consumer;
    const uint32_t several = PLAN_NONE - 1;
    for (uint32_t t = 0; t < g->n_tensors; t++)
        consumer[t] = PLAN_NONE;
    for (uint32_t i = 0; i < g->n_outputs; i++)
        consumer[g->outputs[i]] = several;
    for (uint32_t o = 0; o < g->n_ops; o++)
        for (unsigned k = 0; k < g->ops[o].n_inputs; k++) {
            int32_t t = g->ops[o].inputs[k];
            if (t != GRAPH_NONE)
                consumer[t] = consumer[t] == PLAN_NONE ? o : several;
        }
    for (uint32_t t = 0; t < g->n_tensors; t++)
        if (consumer[t] == several)
            consumer[t] = PLAN_NONE;
}

/* The operator behind which WRITE_STATE `write` is best done, itself where it stands well: when all are through with the
 * state's old value, which then need not be copied away. It does not pass another operator on that state. */
static uint32_t best_place(const struct graph *g, const uint32_t *last, uint32_t write) {
    int32_t state = g->ops[write].inputs[0];
    uint32_t place = write;
    for (uint32_t o = 0; o < write; o++)
        if (g->ops[o].kind == OP_READ_STATE && g->ops[o].inputs[0] == state)
            place = MAX(place, last[g->ops[o].outputs[0]]);
    if (place >= g->n_ops) /* it is an output, and those are copied at the end */
        return write;
    for (uint32_t o = write + 1; o <= place; o++)
        if ((g->ops[o].kind == OP_READ_STATE || g->ops[o].kind == OP_WRITE_STATE) &&
            g->ops[o].inputs[0] == state)
            return write;
    return place;
}

/* Every other order of the writes would do as well: whether an old value must be copied is decided on the result. */
static int delay_writes(struct plan *plan) {
    const struct graph *g = plan->graph;
    /* Per operator: the writes that come behind it, as a list. */
    uint32_t *first = plan_alloc(plan, g->n_ops, sizeof(*first));
    uint32_t *next = plan_alloc(plan, g->n_ops, sizeof(*next));
    struct op *ops = plan_alloc(plan, g->n_ops, sizeof(*ops));
    uint32_t *numbers = plan_alloc(plan, g->n_ops, sizeof(*numbers));
    bool *moved = plan_alloc(plan, g->n_ops, sizeof(*moved));
    if (!first || !next || !ops || !numbers || !moved)
        return err_origin(-ENOMEM);
    for (uint32_t o = 0; o < g->n_ops; o++)
        first[o] = next[o] = PLAN_NONE;
    for (uint32_t o = g->n_ops; o-- > 0;) {
        uint32_t place = g->ops[o].kind == OP_WRITE_STATE ? best_place(g, plan->last_reader, o) : o;
        if (place == o)
            continue;
        next[o] = first[place];
        first[place] = o;
        moved[o] = true;
    }
    uint32_t n = 0;
    for (uint32_t o = 0; o < g->n_ops; o++) {
        if (!moved[o])
            numbers[n++] = o;
        for (uint32_t w = first[o]; w != PLAN_NONE; w = next[w])
            numbers[n++] = w;
    }
    edge_assert(n == g->n_ops);
    for (uint32_t o = 0; o < n; o++)
        ops[o] = g->ops[numbers[o]];
    plan->numbers = numbers;
    plan->ordered = *g;
    plan->ordered.ops = ops;
    plan->graph = &plan->ordered;
    return 0;
}

int plan_look_ahead(struct plan *plan) {
    find_last_readers(plan->graph, plan->last_reader);
    int r = delay_writes(plan);
    if (r)
        return r;
    find_last_readers(plan->graph, plan->last_reader);
    find_consumers(plan);
    return 0;
}
