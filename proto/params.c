/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table-driven reading of JSON objects.
 */

#include "proto/params.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/error.h"
#include "proto/json.h"

static bool store(const struct param *p, const cJSON *item, char *base) {
    void *to = base + p->offset;
    switch (p->type) {
    case PARAM_STRING:
        if (!cJSON_IsString(item))
            return false;
        *(const char **)to = item->valuestring;
        return true;
    case PARAM_BOOL:
        if (!cJSON_IsBool(item))
            return false;
        *(bool *)to = cJSON_IsTrue(item);
        return true;
    case PARAM_INT:
        return json_int(item, 0, JSON_MAX_INT, to);
    case PARAM_ARRAY:
        if (!cJSON_IsArray(item))
            return false;
        break;
    case PARAM_OBJECT:
        if (!cJSON_IsObject(item))
            return false;
        break;
    case PARAM_ANY:
        break;
    }
    *(const cJSON **)to = item;
    return true;
}

int params_read(const cJSON *object, const struct param *table, size_t n_table, bool lenient,
                void *ret, const char **ret_bad) {
    uint32_t seen = 0; /* one bit per row */
    edge_assert(n_table <= 32);
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        size_t i = 0;
        while (i < n_table && strcmp(table[i].name, item->string) != 0)
            i++;
        if (i == n_table) {
            if (lenient)
                continue;
            *ret_bad = item->string;
            return PARAMS_E_INVALID;
        }
        bool twice = seen & 1U << i;
        if (twice || (!cJSON_IsNull(item) && !store(&table[i], item, ret))) {
            *ret_bad = table[i].name;
            return PARAMS_E_INVALID;
        }
        if (!cJSON_IsNull(item))
            seen |= 1U << i;
    }
    for (size_t i = 0; i < n_table; i++)
        if (table[i].flags == PARAM_REQUIRED && !(seen & 1U << i)) {
            *ret_bad = table[i].name;
            return PARAMS_E_INVALID;
        }
    return 0;
}
