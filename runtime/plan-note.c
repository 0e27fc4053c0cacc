/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan says about its steps: why this kernel, what cost nothing. Words for people, which nothing depends on.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "runtime/plan.h"

/* A chain of thousands of operators must not become a text of thousands. */
#define NOTES_MAX 320

/* `notes` and the new one, or `notes` where it cannot be added. */
static const char *append(struct plan *plan, const char *notes, const char *format, va_list args) {
    char note[NOTES_MAX];
    int n = vsnprintf(note, sizeof(note), format, args);
    if (n < 0 || (size_t)n >= sizeof(note))
        return notes;
    size_t before = notes ? strlen(notes) : 0, gap = notes ? strlen("; ") : 0;
    if (before + gap + (size_t)n >= NOTES_MAX || (notes && strstr(notes, note)))
        return notes;
    char *text = plan_alloc(plan, before + gap + (size_t)n + 1, 1);
    if (!text)
        return notes;
    if (notes)
        memcpy(text, notes, before);
    memcpy(text + before, "; ", gap);
    memcpy(text + before + gap, note, (size_t)n);
    return text;
}

void plan_note(struct plan *plan, const char *format, ...) {
    va_list args;
    va_start(args, format);
    plan->notes = append(plan, plan->notes, format, args);
    va_end(args);
}

void plan_note_step(struct plan *plan, struct plan_step *step, const char *format, ...) {
    va_list args;
    va_start(args, format);
    step->why = append(plan, step->why, format, args);
    va_end(args);
}

void plan_note_choice(struct plan *plan, const struct kern_conv_impl *const *list,
                      const struct kern_conv *p, unsigned chosen) {
    bool passed_over = false;
    for (unsigned i = 0; i < chosen; i++) {
        const char *reason = list[i]->refuses(p);
        if (!*reason)
            continue;
        plan_note(plan, "%s: %s", list[i]->name, reason);
        passed_over = true;
    }
    if (!passed_over && list[1])
        plan_note(plan, "first choice");
}

void plan_note_free(struct plan *plan) {
    plan_note(plan, "%s before it is free", op_kind_name(plan_op(plan)->kind));
}

void plan_note_rest(struct plan *plan) {
    const struct graph *g = plan->graph;
    if (!plan->n_steps)
        return;
    struct plan_step *last = &plan->steps[plan->n_steps - 1];
    for (uint32_t i = last->op + 1; i < g->n_ops; i++)
        if (!plan->done[i])
            plan_note_step(plan, last, "%s behind it is free", op_kind_name(g->ops[i].kind));
}

const char *plan_fused_names(struct plan *plan, const struct op_pad *pad, const char *relu) {
    if (!pad)
        return relu;
    if (!relu)
        return "PAD";
    size_t size = strlen(relu) + sizeof("PAD, ");
    char *text = plan_alloc(plan, 1, size);
    if (text)
        snprintf(text, size, "PAD, %s", relu);
    return text;
}
