/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of runs: .npy and .bin files, JSON, tables.
 */

#include "client/edgectl/outcome.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arith.h"
#include "base/buffer.h"
#include "base/fd.h"
#include "base/npy.h"
#include "client/edgectl/ctl.h"
#include "client/edgectl/feed.h"
#include "client/edgectl/table.h"

#define OUTCOME_MAX_SHOWN 16 /* values of one output in a table */

int outcome_init(struct outcome *outcome, const struct source *source, size_t n_runs) {
    *outcome = (struct outcome){.source = source, .n_runs = n_runs};
    outcome->ns = calloc(n_runs, sizeof(*outcome->ns));
    bool complete = outcome->ns != NULL;
    for (uint32_t i = 0; i < source->n_outputs; i++) {
        outcome->values[i] = calloc(n_runs, source->outputs[i].size);
        complete = complete && outcome->values[i];
    }
    if (complete)
        return 0;
    outcome_deinit(outcome);
    return err_origin(-ENOMEM);
}

void outcome_deinit(struct outcome *outcome) {
    for (size_t i = 0; i < ARRAY_SIZE(outcome->values); i++)
        free(outcome->values[i]);
    free(outcome->ns);
    *outcome = (struct outcome){0};
}

static const void *value_at(const struct outcome *o, uint32_t output, size_t run) {
    return o->values[output] + run * o->source->outputs[output].size;
}

bool outcome_is_path(const char *path) {
    return ctl_has_suffix(path, ".npy") || ctl_has_suffix(path, ".bin");
}

int outcome_check_path(const struct source *source, const char *path, struct diag *diag) {
    if (ctl_has_suffix(path, ".npy") && source->n_outputs != 1)
        return diag_set(diag, OUTCOME_E_INVALID,
                        "--output %s: the network has %" PRIu32 " outputs, an .npy file holds one "
                        "array: use .bin",
                        path, source->n_outputs);
    return 0;
}

/* The runs become a longer first axis. */
static int append_npy(const struct outcome *o, struct buffer *b) {
    const struct port *port = &o->source->outputs[0];
    size_t dims[NPY_MAX_DIMS] = {o->n_runs};
    for (unsigned d = 0; d < port->n_dims; d++)
        dims[d] = (size_t)port->dims[d] * (d ? 1 : o->n_runs);
    int r = npy_write_header(b, port->dtype, dims, MAX(port->n_dims, (uint8_t)1));
    return r ? r : buffer_append(b, o->values[0], o->n_runs * port->size);
}

static int append_bin(const struct outcome *o, struct buffer *b) {
    int r = 0;
    for (size_t run = 0; run < o->n_runs && !r; run++)
        for (uint32_t i = 0; i < o->source->n_outputs && !r; i++)
            r = buffer_append(b, value_at(o, i, run), o->source->outputs[i].size);
    return r;
}

int outcome_write(const struct outcome *outcome, const char *path, struct diag *diag) {
    _cleanup_(buffer_deinit) struct buffer b;
    buffer_init(&b, NPY_MAX_BYTES);
    int r = ctl_has_suffix(path, ".npy") ? append_npy(outcome, &b) : append_bin(outcome, &b);
    if (r)
        return diag_set(diag, err_trace(r), "no memory for %s", path);
    return file_write_atomic(path, b.data, b.len, diag);
}

/* The indices of the `top` largest values of the first output, ties to the lowest; and its real values. */
struct ranking {
    float *values;
    size_t *order;
    size_t n, top;
};

static void ranking_deinit(struct ranking *ranking) {
    free(ranking->values);
    free(ranking->order);
}

static int ranking_init(struct ranking *ranking, const struct source *source, size_t top) {
    size_t n = port_elements(&source->outputs[0]);
    *ranking = (struct ranking){
        .values = malloc(n * sizeof(float)),
        .order = malloc(n * sizeof(size_t)),
        .n = n,
        .top = MIN(top, n),
    };
    return ranking->values && ranking->order ? 0 : err_origin(-ENOMEM);
}

static int compare_values(const void *a, const void *b, void *values) {
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    float x = ((const float *)values)[i], y = ((const float *)values)[k];
    if (x != y)
        return x < y ? 1 : -1;
    return i < k ? -1 : i > k;
}

static int rank(struct ranking *ranking, const struct outcome *o, size_t run) {
    int r =
        port_dequantize(&o->source->outputs[0], value_at(o, 0, run), ranking->n, ranking->values);
    if (r)
        return r;
    for (size_t i = 0; i < ranking->n; i++)
        ranking->order[i] = i;
    qsort_r(ranking->order, ranking->n, sizeof(size_t), compare_values, ranking->values);
    return 0;
}

static const char *label(const struct source *source, size_t i, char *ret) {
    if (i < source->n_labels)
        return source->labels[i];
    snprintf(ret, HUMAN_MAX, "%zu", i);
    return ret;
}

/* Element i of n values as they are stored. */
static double stored(enum dtype dtype, const void *values, size_t i) {
    switch (dtype) {
    case DTYPE_FP32:
        return (double)((const float *)values)[i];
    case DTYPE_FP64:
        return ((const double *)values)[i];
    case DTYPE_INT8:
        return ((const int8_t *)values)[i];
    case DTYPE_UINT8:
    case DTYPE_BOOL:
        return ((const uint8_t *)values)[i];
    case DTYPE_INT16:
        return ((const int16_t *)values)[i];
    case DTYPE_INT32:
        return ((const int32_t *)values)[i];
    case DTYPE_INT64:
        return (double)((const int64_t *)values)[i];
    case DTYPE_INT4: /* in networks only */
    case DTYPE_NONE:
        break;
    }
    return 0;
}

static cJSON *output_json(const struct outcome *o, uint32_t i, size_t run) {
    const struct port *port = &o->source->outputs[i];
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", port->name);
    cJSON_AddStringToObject(object, "datatype", dtype_name(port->dtype));
    cJSON *shape = cJSON_AddArrayToObject(object, "shape");
    for (unsigned d = 0; d < port->n_dims; d++)
        cJSON_AddItemToArray(shape, cJSON_CreateNumber(port->dims[d]));
    cJSON *data = cJSON_AddArrayToObject(object, "data");
    for (size_t k = 0; k < port_elements(port); k++)
        cJSON_AddItemToArray(data, cJSON_CreateNumber(stored(port->dtype, value_at(o, i, run), k)));
    return object;
}

static int add_top_json(const struct outcome *o, struct ranking *ranking, size_t run,
                        cJSON *object) {
    int r = rank(ranking, o, run);
    if (r)
        return r;
    cJSON *top = cJSON_AddArrayToObject(object, "top");
    for (size_t k = 0; k < ranking->top; k++) {
        char number[HUMAN_MAX];
        size_t index = ranking->order[k];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "index", (double)index);
        cJSON_AddStringToObject(item, "label", label(o->source, index, number));
        cJSON_AddNumberToObject(item, "probability", (double)ranking->values[index]);
        cJSON_AddItemToArray(top, item);
    }
    return 0;
}

int outcome_print_json(const struct ctl *ctl, const struct outcome *o, size_t top) {
    _cleanup_(ranking_deinit) struct ranking ranking = {0};
    int r = top ? ranking_init(&ranking, o->source, top) : 0;
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", o->source->name);
    cJSON_AddStringToObject(document, "version", o->source->version);
    cJSON *runs = cJSON_AddArrayToObject(document, "runs");
    for (size_t run = 0; run < o->n_runs && !r; run++) {
        cJSON *object = cJSON_CreateObject();
        cJSON *outputs = cJSON_AddArrayToObject(object, "outputs");
        for (uint32_t i = 0; i < o->source->n_outputs; i++)
            cJSON_AddItemToArray(outputs, output_json(o, i, run));
        if (top)
            r = add_top_json(o, &ranking, run, object);
        cJSON_AddNumberToObject(object, "time_us", (double)o->ns[run] / 1e3);
        cJSON_AddItemToArray(runs, object);
    }
    if (r) {
        cJSON_Delete(document);
        return ctl_fail(ctl, "the output cannot be ranked: %s", strerror(-r));
    }
    return ctl_print_json(ctl, document);
}

static int print_top(const struct outcome *o, size_t top) {
    static const char *const labelled[] = {">run", "label", ">probability", ">time"};
    static const char *const plain[] = {">run", "index", ">value", ">time"};
    const char *const *titles = o->source->n_labels ? labelled : plain;
    bool several = o->n_runs > 1;
    _cleanup_(ranking_deinit) struct ranking ranking = {0};
    int r = ranking_init(&ranking, o->source, top);
    struct table t;
    table_init(&t, several ? titles : titles + 1, several ? 4 : 3);
    for (size_t run = 0; run < o->n_runs && !r; run++) {
        r = rank(&ranking, o, run);
        for (size_t k = 0; k < ranking.top && !r; k++) {
            char number[HUMAN_MAX], time[HUMAN_MAX];
            size_t index = ranking.order[k];
            if (several)
                table_add(&t, k ? "%s" : "%s%zu", "", run);
            table_add(&t, "%s", label(o->source, index, number));
            table_add(&t, "%.3f", (double)ranking.values[index]);
            table_add(&t, "%s", k ? "" : human_ns((double)o->ns[run], time));
        }
    }
    if (!r)
        r = table_print(&t);
    table_deinit(&t);
    return r;
}

/* Real values of one output on one line, cut where there are many. */
static int print_values(const struct outcome *o, uint32_t i, size_t run) {
    const struct port *port = &o->source->outputs[i];
    size_t n = port_elements(port), shown = MIN(n, (size_t)OUTCOME_MAX_SHOWN);
    float values[OUTCOME_MAX_SHOWN];
    int r = port_dequantize(port, value_at(o, i, run), shown, values);
    if (r)
        return r;
    char shape[PORT_SHAPE_MAX];
    printf("%s %s %s:", port->name, dtype_name(port->dtype),
           port_shape(port->dims, port->n_dims, shape));
    for (size_t k = 0; k < shown; k++)
        printf(" %g", (double)values[k]);
    printf(n > shown ? " ... (%zu in all)\n" : "\n", n);
    return 0;
}

static int print_all(const struct outcome *o) {
    int r = 0;
    for (size_t run = 0; run < o->n_runs && !r; run++) {
        char time[HUMAN_MAX];
        if (o->n_runs > 1)
            printf("run %zu, ", run);
        printf("%s\n", human_ns((double)o->ns[run], time));
        for (uint32_t i = 0; i < o->source->n_outputs && !r; i++)
            r = print_values(o, i, run);
    }
    return r;
}

int outcome_print(const struct ctl *ctl, const struct outcome *outcome, size_t top) {
    int r = top ? print_top(outcome, top) : print_all(outcome);
    return r ? ctl_fail(ctl, "the outputs cannot be printed: %s", strerror(-r)) : CTL_DONE;
}
