/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search: fixed recipes, then curves of every technique in every layer, then for each number format the price of
 * distortion at which the estimated best mix just meets the budgets (every step a trial of the whole), then single steps
 * from the best mix, the one that gains most for what it should lose first, until none helps.
 */

#include "compress/search.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/error.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/lab.h"
#include "compress/mix.h"
#include "compress/search-words.h"
#include "model/graph.h"

#define LATENCY_SECONDS 0.005     /* of a trial where latency is only shown */
#define FAST_LATENCY_SECONDS 0.05 /* where it decides */
#define HOPELESS_POINTS 20        /* curves end here where there is no budget for the drop */
#define SENSITIVITY_SHARE 0.6     /* of trials and time; the rest is for mixes */
#define LAMBDA_STEPS 18
#define LAMBDA_LOW 1e-2 /* bytes, or nanoseconds, for a relative distortion of 1: everything goes */
#define LAMBDA_HIGH 1e12
#define MAX_CANDIDATES 16
#define MAX_REFINED 3 /* candidates, the best first */

/* The best mix of a number format, of layers as they are or of others in their place. */
struct candidate {
    struct mix mix;
    const struct trial *trial; /* NULL: none is feasible */
};

struct search {
    const struct search_options *options;
    struct lab lab;
    struct sensitivity sensitivity;
    struct mix_space space;
    uint64_t start_ns;

    const struct trial *best; /* of all trials; NULL: none is feasible */
    struct candidate candidates[MAX_CANDIDATES];
    unsigned n_candidates;
    struct diag *diag;
};

static void search_deinit(struct search *s) {
    for (unsigned i = 0; i < s->n_candidates; i++)
        mix_deinit(&s->candidates[i].mix);
    sensitivity_deinit(&s->sensitivity);
    lab_deinit(&s->lab);
}

/* ---- what is better ---- */

static bool has_drop(const struct search *s) {
    return !isnan(s->options->max_drop);
}

static double cost_of(const struct search *s, const struct trial *t) {
    return s->options->fastest ? t->latency_us : (double)t->bytes;
}

static bool is_better(const struct search *s, const struct trial *a, const struct trial *b) {
    if (!a->feasible || !b)
        return a->feasible;
    double x = has_drop(s) ? cost_of(s, a) : a->drop, y = has_drop(s) ? cost_of(s, b) : b->drop;
    if (x != y)
        return x < y;
    return a->distortion < b->distortion;
}

/* Whether less than this share of the trials and of the time is used up. */
static bool has_left(const struct search *s, double share) {
    const struct search_options *o = s->options;
    double seconds = (double)(clock_now_ns() - s->start_ns) / 1e9;
    if (o->progress)
        o->progress(o->progress_arg, (uint32_t)s->lab.n_trials, SEARCH_MAX_TRIALS);
    return (double)s->lab.n_trials < share * SEARCH_MAX_TRIALS &&
           (!(o->max_seconds > 0) || seconds < share * o->max_seconds);
}

static bool may_go_on(const struct search *s) {
    return has_left(s, 1);
}

static bool may_look_on(void *search) {
    return has_left(search, SENSITIVITY_SHARE);
}

/* ---- trials ---- */

/* Tries a mix, which becomes the candidate where it is better. */
static int try_mix(struct search *s, const struct mix *mix, const char *label,
                   struct candidate *candidate, const struct trial **ret_trial) {
    cJSON *steps = mix_steps(mix, &s->space);
    if (!steps)
        return err_origin(-ENOMEM);
    const struct trial *t;
    int r = lab_try(&s->lab, label, steps, &t, s->diag);
    if (r)
        return r;
    if (!t->failed && is_better(s, t, candidate->trial)) {
        mix_take(&candidate->mix, &s->space, mix);
        candidate->trial = t;
    }
    if (!t->failed && is_better(s, t, s->best))
        s->best = t;
    *ret_trial = t;
    return 0;
}

static int try_fixed(struct search *s) {
    const struct fixed_recipe *fixed;
    if (is_better(s, s->lab.trials[0], s->best))
        s->best = s->lab.trials[0];
    for (unsigned i = 0; (fixed = fixed_recipe_at(i)) && may_go_on(s); i++) {
        const struct trial *t;
        cJSON *recipe = fixed_recipe_json(fixed, (double)s->options->seed);
        cJSON *steps = cJSON_DetachItemFromObject(recipe, "steps");
        cJSON_Delete(recipe);
        int r = lab_try(&s->lab, fixed->label, steps, &t, s->diag);
        if (r)
            return r;
        if (!t->failed && is_better(s, t, s->best))
            s->best = t;
    }
    return 0;
}

/* ---- one number format ---- */

/* Whether a mix may lose more than this trial did. */
static bool is_room(const struct search *s, const struct trial *t) {
    return !t->failed && (has_drop(s) ? t->accurate : !(t->small && t->fast));
}

/* The price at which the budgets are just met. The estimates are good enough to order mixes, a trial says where to stop. */
static int search_price(struct search *s, struct mix *mix, struct candidate *candidate) {
    const struct trial *t = NULL;
    const char *format = mix->format->name;
    char label[100];
    int r = try_mix(s, mix, format, candidate, &t);
    /* A format that is too inaccurate by itself will not become better. */
    bool hopeful = r == 0 && !t->failed && (!has_drop(s) || t->accurate);
    double low = log(LAMBDA_LOW), high = log(LAMBDA_HIGH);
    for (int i = 0; hopeful && r == 0 && i < LAMBDA_STEPS && may_go_on(s); i++) {
        double lambda = exp((low + high) / 2);
        mix_choose(mix, &s->space, lambda);
        snprintf(label, sizeof(label), "%s, a mix at %.3g", format, lambda);
        r = try_mix(s, mix, label, candidate, &t);
        if (r == 0 && is_room(s, t))
            high = log(lambda);
        else
            low = log(lambda);
    }
    return r;
}

static int search_format(struct search *s, const struct format *format, bool reshapes) {
    struct candidate *candidate = &s->candidates[s->n_candidates];
    struct mix mix;
    int r = mix_init(&candidate->mix, &s->space, format, reshapes);
    if (r)
        return r;
    s->n_candidates++;
    r = mix_init(&mix, &s->space, format, reshapes);
    if (r == 0) {
        r = search_price(s, &mix, candidate);
        mix_deinit(&mix);
    }
    return r;
}

/* ---- single steps ---- */

struct move {
    uint32_t layer;
    enum axis axis;
    struct pick pick;
    double rate; /* gain for each loss, both estimated */
};

static int compare_moves(const void *a, const void *b) {
    const struct move *x = a, *y = b;
    if (x->rate != y->rate)
        return x->rate < y->rate ? 1 : -1;
    return x->layer != y->layer ? (x->layer > y->layer) - (x->layer < y->layer)
                                : (int)x->axis - (int)y->axis;
}

/* What a step changes, by estimate: less cost where it is towards stronger, less distortion where gentler. */
static double move_rate(struct search *s, struct mix *mix, const struct move *m, bool stronger) {
    struct pick *pick = &mix->layers[m->layer].picks[m->axis], old = *pick;
    double cost = mix_cost(mix, &s->space, m->layer);
    double loss = mix_distortion(&mix->layers[m->layer]);
    *pick = m->pick;
    cost -= mix_cost(mix, &s->space, m->layer);
    loss -= mix_distortion(&mix->layers[m->layer]);
    *pick = old;
    double gain = stronger ? cost : loss, price = stronger ? -loss : -cost;
    return gain / fmax(price, 1e-9);
}

/* All single steps from the mix, the best first. */
static size_t find_moves(struct search *s, struct mix *mix, bool stronger, struct move *ret_moves) {
    size_t n = 0;
    for (uint32_t i = 0; i < s->lab.layers.n; i++)
        for (unsigned a = 0; a < N_AXES; a++) {
            struct move m = {i, (enum axis)a, mix->layers[i].picks[a], 0};
            if (!mix_step(mix, &s->space, i, (enum axis)a, stronger, &m.pick))
                continue;
            m.rate = move_rate(s, mix, &m, stronger);
            if (m.rate > 0)
                ret_moves[n++] = m;
        }
    qsort(ret_moves, n, sizeof(*ret_moves), compare_moves);
    return n;
}

static int try_move(struct search *s, struct mix *mix, const struct move *m,
                    struct candidate *candidate, bool *ret_better) {
    struct pick *pick = &mix->layers[m->layer].picks[m->axis], old = *pick;
    const struct trial *t, *before = candidate->trial;
    char label[160];
    *pick = m->pick;
    const struct curve *c = m->pick.curve ? m->pick.curve : old.curve;
    snprintf(label, sizeof(label), "%s, a mix with %.100s: %s %g", mix->format->name,
             s->lab.layers.items[m->layer].name, c->technique->name,
             m->pick.curve ? c->points[m->pick.point].strength : 0);
    int r = try_mix(s, mix, label, candidate, &t);
    *ret_better = r == 0 && candidate->trial != before;
    if (!*ret_better)
        *pick = old;
    return r;
}

/* The same step again and again as long as it helps. */
static int ride_move(struct search *s, struct mix *mix, struct move m, bool stronger,
                     struct candidate *candidate, bool *ret_better) {
    bool better = true, more = true;
    int r = 0;
    while (r == 0 && better && more && may_go_on(s)) {
        r = try_move(s, mix, &m, candidate, &better);
        *ret_better = *ret_better || better;
        more = mix_step(mix, &s->space, m.layer, m.axis, stronger, &m.pick);
    }
    return r;
}

/* One round over all steps. */
static int refine_once(struct search *s, struct mix *mix, bool stronger, struct move *moves,
                       struct candidate *candidate, bool *ret_better) {
    size_t n = find_moves(s, mix, stronger, moves);
    int r = 0;
    for (size_t i = 0; r == 0 && i < n && may_go_on(s); i++)
        r = ride_move(s, mix, moves[i], stronger, candidate, ret_better);
    return r;
}

static int refine(struct search *s, struct candidate *candidate) {
    struct mix mix;
    struct move *moves = calloc((size_t)s->lab.layers.n * N_AXES + 1, sizeof(*moves));
    int r = moves ? mix_init(&mix, &s->space, candidate->mix.format, candidate->mix.reshapes)
                  : err_origin(-ENOMEM);
    if (r) {
        free(moves);
        return r;
    }
    mix_take(&mix, &s->space, &candidate->mix);
    for (bool better = true; r == 0 && better && may_go_on(s);) {
        better = false;
        r = refine_once(s, &mix, has_drop(s), moves, candidate, &better);
    }
    free(moves);
    mix_deinit(&mix);
    return r;
}

/* ---- all of it ---- */

/* The best candidate that has not been refined. */
static struct candidate *next_candidate(struct search *s, const bool *refined) {
    struct candidate *next = NULL;
    for (unsigned i = 0; i < s->n_candidates; i++) {
        struct candidate *c = &s->candidates[i];
        if (!refined[i] && c->trial && (!next || is_better(s, c->trial, next->trial)))
            next = c;
    }
    return next;
}

static bool can_reshape(const struct search *s) {
    for (size_t i = 0; i < s->sensitivity.n; i++)
        if (s->sensitivity.curves[i].technique->axis == AXIS_SHAPE)
            return true;
    return false;
}

static int search_mixes(struct search *s) {
    const struct format *format;
    struct candidate *next;
    bool refined[MAX_CANDIDATES] = {false};
    unsigned ways = can_reshape(s) ? 2 : 1;
    int r = 0;
    for (unsigned i = 0;
         r == 0 && i < MAX_CANDIDATES && (format = format_at(i / ways)) && may_go_on(s); i++)
        r = search_format(s, format, i % ways == 1);
    for (unsigned i = 0; r == 0 && i < MAX_REFINED && (next = next_candidate(s, refined)); i++) {
        refined[next - s->candidates] = true;
        r = refine(s, next);
    }
    return r;
}

/* How far a trial is above the budget of accuracy, its margin included. */
static double excess(const struct search *s, const struct trial *t) {
    return has_drop(s) ? t->wide_drop + s->options->margin * t->wide_error : 0;
}

/* The cheapest of those that are accurate enough; where there is none, the most accurate. */
static bool is_nearer(const struct search *s, const struct trial *a, const struct trial *b) {
    if (a->accurate != b->accurate)
        return a->accurate;
    return a->accurate ? cost_of(s, a) < cost_of(s, b) : excess(s, a) < excess(s, b);
}

/* How near the nearest came. */
static int fail(const struct search *s, struct diag *diag) {
    const struct trial *nearest = NULL;
    for (size_t i = 0; i < s->lab.n_trials; i++) {
        const struct trial *t = s->lab.trials[i];
        if (!t->failed && (!nearest || is_nearer(s, t, nearest)))
            nearest = t;
    }
    if (!nearest)
        return diag_set(diag, COMPRESS_E_INVALID, "none of %zu networks could be made",
                        s->lab.n_trials);
    return diag_set(diag, COMPRESS_E_INVALID,
                    "none of %zu networks meets the budgets; the nearest, '%.100s', has %zu bytes, "
                    "%.1f us and a drop of %.2f with a standard error of %.2f",
                    s->lab.n_trials, nearest->label, nearest->bytes, nearest->latency_us,
                    nearest->drop, nearest->wide_error);
}

static int check(const struct search_options *o, struct diag *diag) {
    if (!preset_find(o->preset))
        return diag_set(diag, COMPRESS_E_INVALID, "preset: '%.64s' is none of %s", o->preset,
                        preset_names());
    if (isnan(o->max_drop) && !o->max_bytes && !(o->max_latency_us > 0))
        return diag_set(diag, COMPRESS_E_INVALID, "no budget is given");
    if (o->max_drop < 0)
        return diag_set(diag, COMPRESS_E_INVALID, "max-drop: %g is below 0", o->max_drop);
    return 0;
}

static int start(struct search *s, const struct graph *graph, const struct dataset *calibration,
                 const struct dataset *validation, struct diag *diag) {
    const struct search_options *o = s->options;
    bool timed = o->fastest || o->max_latency_us > 0;
    const struct lab_options lab = {
        .metric = o->metric,
        .input = o->input,
        .seed = o->seed,
        .threads = o->threads,
        .tier = o->tier,
        .latency_seconds = timed ? FAST_LATENCY_SECONDS : LATENCY_SECONDS,
        .max_drop = o->max_drop,
        .margin = o->margin,
        .max_bytes = o->max_bytes,
        .max_latency_us = o->max_latency_us,
    };
    s->start_ns = clock_now_ns();
    s->diag = diag;
    s->space = (struct mix_space){
        .lab = &s->lab,
        .sensitivity = &s->sensitivity,
        .preset = preset_find(o->preset),
        .latency = o->fastest || (!o->max_bytes && o->max_latency_us > 0 && isnan(o->max_drop)),
    };
    return lab_init(&s->lab, &lab, graph, calibration, validation, diag);
}

/* Why the best is as it is. */
static cJSON *explain(const struct search *s) {
    for (unsigned i = 0; i < s->n_candidates; i++)
        if (s->candidates[i].trial == s->best)
            return search_explain_mix(&s->candidates[i].mix, &s->space, s->best);
    return search_explain_fixed(s->best);
}

static int result(const struct search *s, cJSON **ret_part, cJSON **ret_recipe) {
    cJSON *part = cJSON_CreateObject(), *recipe = cJSON_Duplicate(s->best->recipe, true);
    cJSON_AddItemToObject(part, "sensitivity", sensitivity_to_json(&s->sensitivity, &s->lab));
    cJSON_AddItemToObject(part, "points", lab_to_json(&s->lab, s->best));
    cJSON_AddItemToObject(part, "choices", explain(s));
    if (!part || !recipe || cJSON_GetArraySize(part) != 3) {
        cJSON_Delete(part);
        cJSON_Delete(recipe);
        return err_origin(-ENOMEM);
    }
    *ret_part = part;
    *ret_recipe = recipe;
    return 0;
}

int search_run(const struct search_options *options, const struct graph *graph,
               const struct dataset *calibration, const struct dataset *validation,
               cJSON **ret_part, cJSON **ret_recipe, struct diag *diag) {
    int r = check(options, diag);
    if (r)
        return r;
    _cleanup_(search_deinit) struct search s = {.options = options};
    double hopeless = isnan(options->max_drop) ? HOPELESS_POINTS : 4 * options->max_drop + 2;
    r = start(&s, graph, calibration, validation, diag);
    if (r)
        return r;
    r = try_fixed(&s);
    if (r == 0)
        r = sensitivity_run(&s.lab, s.space.preset, hopeless, may_look_on, &s, &s.sensitivity,
                            diag);
    if (r == 0)
        r = search_mixes(&s);
    if (r)
        return r;
    return s.best ? result(&s, ret_part, ret_recipe) : fail(&s, diag);
}
