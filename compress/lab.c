/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying recipes.
 */

#include "compress/lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "compress/complexity.h"
#include "compress/compress.h"
#include "compress/dataset.h"
#include "compress/history.h"
#include "compress/latency.h"
#include "compress/recipe.h"
#include "model/graph-edit.h"
#include "model/graph.h"
#include "runtime/runtime.h"

#define Z95 1.959963984540054
#define MAX_WITNESSES 4096

static void trial_free(struct trial *t) {
    if (!t)
        return;
    free(t->label);
    free(t->failed);
    cJSON_Delete(t->recipe);
    free(t);
}

void lab_deinit(struct lab *lab) {
    for (size_t i = 0; i < lab->n_trials; i++)
        trial_free(lab->trials[i]);
    free(lab->trials);
    free(lab->outputs);
    evaluation_deinit(&lab->base);
    evaluation_deinit(&lab->witnesses_base);
    dataset_deinit(&lab->witnesses);
    graph_free(lab->graph);
    *lab = (struct lab){0};
}

/* ---- running a network ---- */

/* A network that is being tried, and what it gives. */
struct subject {
    struct graph *graph;
    struct image *image;
    void *raw;      /* outputs in the network's datatype */
    float *outputs; /* real values */
    size_t n;       /* of one sample */
    struct evaluation evaluation;
};

static void subject_deinit(struct subject *s) {
    graph_free(s->graph);
    image_unref(s->image);
    free(s->raw);
    free(s->outputs);
    evaluation_deinit(&s->evaluation);
}

static int subject_run(struct subject *s, const struct lab *lab, struct diag *diag) {
    const struct lab_options *o = &lab->options;
    const struct evaluate_options options = {.metric = o->metric, .threads = o->threads};
    int r = image_build(s->graph, o->tier, &s->image, diag);
    if (r)
        return r < 0 ? r : COMPRESS_E_INVALID;
    r = evaluate_run(s->image, lab->validation, &options, &s->raw, diag);
    if (r)
        return r;
    const struct port *input = image_input(s->image, 0), *output = image_output(s->image, 0);
    s->n = output->size / dtype_size(output->dtype);
    s->outputs = malloc(lab->validation->n * s->n * sizeof(*s->outputs));
    r = s->outputs ? port_dequantize(output, s->raw, lab->validation->n * s->n, s->outputs)
                   : err_origin(-ENOMEM);
    if (r == 0)
        r = evaluate_outputs(input, output, s->raw, lab->validation, &options, &s->evaluation,
                             diag);
    return r;
}

/* ---- judging ---- */

static double distortion(const struct lab *lab, const float *outputs) {
    double sum = 0;
    for (size_t i = 0; i < lab->n_outputs; i++) {
        double d = (double)outputs[i] - (double)lab->outputs[i];
        sum += d * d;
    }
    return lab->variance > 0 ? sum / lab->variance : sum;
}

/* Half the width of the 95 % interval, in the drop's units. */
static int drop_error(const struct lab *lab, const struct evaluation *base,
                      const struct evaluation *e, double *ret) {
    struct comparison c;
    int r = evaluation_compare(base, e, &c);
    if (r)
        return r;
    double error = (c.interval.high - c.interval.low) / 2 / Z95;
    bool relative = lab->options.metric == METRIC_MSE && base->score > 0;
    *ret = 100 * (relative ? error / base->score : error);
    return 0;
}

/* The witnesses' drop joins that of the validation data, by their numbers. Those that miss the budget without are not
 * worth the time. */
static int ask_witnesses(const struct lab *lab, struct image *image, struct trial *t,
                         struct diag *diag) {
    const struct evaluate_options options = {.metric = lab->options.metric,
                                             .threads = lab->options.threads};
    double n = (double)lab->validation->n, m = (double)lab->witnesses.n, error = 0;
    t->wide_drop = t->drop;
    t->wide_error = t->drop_error;
    if (!lab->witnesses.n || !(t->drop <= lab->options.max_drop))
        return 0;
    struct evaluation e;
    int r = evaluate_image(image, &lab->witnesses, &options, &e, diag);
    if (r)
        return r;
    r = drop_error(lab, &lab->witnesses_base, &e, &error);
    t->wide_drop = (n * t->drop + m * evaluation_drop(&lab->witnesses_base, &e)) / (n + m);
    t->wide_error = hypot(n * t->drop_error, m * error) / (n + m);
    evaluation_deinit(&e);
    return r;
}

static bool is_accurate(const struct lab_options *o, const struct trial *t) {
    /* What was counted in samples may differ from the budget by a rounding only. */
    double most = o->max_drop + 1e-9;
    return isnan(o->max_drop) ||
           (t->drop <= most && t->wide_drop + o->margin * t->wide_error <= most);
}

static void judge(const struct lab *lab, struct trial *t) {
    const struct lab_options *o = &lab->options;
    t->accurate = is_accurate(o, t);
    t->small = !o->max_bytes || t->bytes <= o->max_bytes;
    t->fast = !(o->max_latency_us > 0) || t->latency_us <= o->max_latency_us;
    t->feasible = t->accurate && t->small && t->fast;
}

static int measure(struct lab *lab, struct subject *s, struct trial *t, struct diag *diag) {
    struct latency latency = {0};
    int r = subject_run(s, lab, diag);
    if (r == 0 && lab->outputs && s->n * lab->validation->n != lab->n_outputs)
        r = diag_set(diag, COMPRESS_E_INVALID, "the network's output has another size");
    if (r == 0)
        r = complexity_file_bytes(s->graph, &t->bytes, diag);
    if (r == 0)
        r = latency_measure(s->image, lab->validation, lab->options.latency_seconds, &latency);
    if (r)
        return r;
    t->score = s->evaluation.score;
    t->latency_us = latency.median_us;
    struct complexity c = complexity_of(s->graph);
    t->bits = c.bits;
    t->macs = c.effective_macs;
    return 0;
}

/* ---- trials ---- */

static int add_trial(struct lab *lab, struct trial *t) {
    struct trial **more = realloc(lab->trials, (lab->n_trials + 1) * sizeof(*more));
    if (!more) {
        trial_free(t);
        return err_origin(-ENOMEM);
    }
    lab->trials = more;
    lab->trials[lab->n_trials++] = t;
    return 0;
}

static struct trial *trial_new(const struct lab *lab, const char *label, cJSON *steps) {
    struct trial *t = calloc(1, sizeof(*t));
    cJSON *recipe = cJSON_CreateObject();
    if (t && recipe && steps && (t->label = strdup(label)) &&
        cJSON_AddNumberToObject(recipe, "seed", (double)lab->options.seed) &&
        cJSON_AddItemToObject(recipe, "steps", steps)) {
        t->recipe = recipe;
        return t;
    }
    cJSON_Delete(recipe);
    cJSON_Delete(steps);
    trial_free(t);
    return NULL;
}

static const struct trial *find(const struct lab *lab, const cJSON *steps) {
    for (size_t i = 0; i < lab->n_trials; i++)
        if (cJSON_Compare(cJSON_GetObjectItem(lab->trials[i]->recipe, "steps"), steps, true))
            return lab->trials[i];
    return NULL;
}

static int run_recipe(const struct lab *lab, const struct trial *t, struct graph **graph,
                      struct diag *diag) {
    _cleanup_(recipe_freep) struct recipe *recipe = NULL;
    cJSON *json = cJSON_Duplicate(t->recipe, true);
    int r = json ? recipe_from_json(json, &recipe, diag) : err_origin(-ENOMEM);
    if (r == 0)
        r = history_set(*graph, recipe, lab->options.input, diag);
    if (r == 0)
        r = recipe_run(recipe, graph, lab->calibration, lab->options.tier, NULL, NULL, diag);
    return r;
}

static int try(struct lab *lab, struct trial *t, struct diag *diag) {
    _cleanup_(subject_deinit) struct subject s = {0};
    int r = graph_copy(lab->graph, &s.graph);
    if (r == 0)
        r = run_recipe(lab, t, &s.graph, diag);
    if (r == 0)
        r = measure(lab, &s, t, diag);
    if (r == 0)
        r = drop_error(lab, &lab->base, &s.evaluation, &t->drop_error);
    if (r)
        return r;
    t->drop = evaluation_drop(&lab->base, &s.evaluation);
    r = ask_witnesses(lab, s.image, t, diag);
    if (r)
        return r;
    t->distortion = distortion(lab, s.outputs);
    judge(lab, t);
    return 0;
}

int lab_try(struct lab *lab, const char *label, cJSON *steps, const struct trial **ret_trial,
            struct diag *diag) {
    const struct trial *known = steps ? find(lab, steps) : NULL;
    if (known) {
        cJSON_Delete(steps);
        *ret_trial = known;
        return 0;
    }
    struct trial *t = trial_new(lab, label, steps);
    int r = t ? add_trial(lab, t) : err_origin(-ENOMEM);
    if (r)
        return r;
    struct diag why = {0};
    r = try(lab, t, &why);
    if (r > 0 && !(t->failed = strdup(why.text)))
        r = err_origin(-ENOMEM);
    if (r < 0)
        return diag_set(diag, r, "%s", why.text[0] ? why.text : strerror(-r));
    *ret_trial = t;
    return 0;
}

/* ---- the float network ---- */

static double total_variance(const float *outputs, size_t n, size_t per_sample) {
    double sum = 0;
    for (size_t k = 0; k < per_sample; k++) {
        double mean = 0, squares = 0;
        for (size_t i = k; i < n; i += per_sample)
            mean += (double)outputs[i] / (double)(n / per_sample);
        for (size_t i = k; i < n; i += per_sample)
            squares += ((double)outputs[i] - mean) * ((double)outputs[i] - mean);
        sum += squares;
    }
    return sum;
}

static int run_base(struct lab *lab, struct diag *diag) {
    _cleanup_(subject_deinit) struct subject s = {0};
    struct trial *t = trial_new(lab, "float", cJSON_CreateArray());
    int r = t ? add_trial(lab, t) : err_origin(-ENOMEM);
    if (r == 0)
        r = graph_copy(lab->graph, &s.graph);
    if (r == 0)
        r = run_recipe(lab, t, &s.graph, diag);
    if (r == 0)
        r = measure(lab, &s, t, diag);
    if (r)
        return r;
    lab->n_outputs = s.n * lab->validation->n;
    lab->variance = total_variance(s.outputs, lab->n_outputs, s.n);
    lab->outputs = s.outputs;
    lab->base = s.evaluation;
    s.outputs = NULL;
    s.evaluation = (struct evaluation){0};
    judge(lab, t);
    return 0;
}

/* Samples spread over the calibration data, as far as they have what the metric compares with. */
static int take_witnesses(struct lab *lab) {
    const struct dataset *data = lab->calibration;
    size_t n = data->has_y == lab->validation->has_y ? MIN(data->n, (size_t)MAX_WITNESSES) : 0;
    if (!n)
        return 0;
    size_t *samples = malloc(n * sizeof(*samples));
    if (!samples)
        return err_origin(-ENOMEM);
    for (size_t i = 0; i < n; i++)
        samples[i] = (2 * i + 1) * data->n / (2 * n);
    int r = dataset_take(data, samples, n, &lab->witnesses);
    free(samples);
    return r;
}

static int run_witnesses(struct lab *lab, struct diag *diag) {
    const struct evaluate_options options = {.metric = lab->options.metric,
                                             .threads = lab->options.threads};
    int r = isnan(lab->options.max_drop) ? 0 : take_witnesses(lab);
    if (r || !lab->witnesses.n)
        return r;
    return evaluate_graph(lab->graph, lab->options.tier, &lab->witnesses, &options,
                          &lab->witnesses_base, diag);
}

int lab_init(struct lab *lab, const struct lab_options *options, const struct graph *graph,
             const struct dataset *calibration, const struct dataset *validation,
             struct diag *diag) {
    *lab = (struct lab){.options = *options, .calibration = calibration, .validation = validation};
    int r = dataset_check(validation, graph, "the validation data", diag);
    if (r == 0)
        r = dataset_check(calibration, graph, "the calibration data", diag);
    if (r == 0)
        r = graph_copy(graph, &lab->graph);
    if (r == 0)
        r = layers_find(lab->graph, &lab->layers);
    if (r == 0)
        r = run_base(lab, diag);
    if (r == 0)
        r = run_witnesses(lab, diag);
    if (r)
        lab_deinit(lab);
    return r;
}

cJSON *lab_to_json(const struct lab *lab, const struct trial *chosen) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < lab->n_trials; i++) {
        const struct trial *t = lab->trials[i];
        if (t->failed)
            continue;
        cJSON *d = cJSON_CreateObject();
        cJSON_AddStringToObject(d, "label", t->label);
        cJSON_AddItemToObject(d, "recipe", cJSON_Duplicate(t->recipe, true));
        cJSON_AddNumberToObject(d, "score", t->score);
        cJSON_AddNumberToObject(d, "bytes", (double)t->bytes);
        cJSON_AddNumberToObject(d, "latency_us", t->latency_us);
        cJSON_AddNumberToObject(d, "drop", t->drop);
        cJSON_AddBoolToObject(d, "feasible", t->feasible);
        cJSON_AddBoolToObject(d, "chosen", t == chosen);
        cJSON_AddItemToArray(list, d);
    }
    return list;
}
