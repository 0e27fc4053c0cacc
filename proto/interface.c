/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptions are the .varlink files, turned into C strings at build time.
 */

#include "proto/interface.h"

#include <string.h>

#include "base/attributes.h"

static const char io_edged[] =
#include "proto/io.edged.inc"
    ;

static const char org_varlink_service[] =
#include "proto/org.varlink.service.inc"
    ;

const struct interface interfaces[] = {
    {INTERFACE_EDGED, io_edged},
    {INTERFACE_SERVICE, org_varlink_service},
};
const size_t n_interfaces = ARRAY_SIZE(interfaces);

const struct interface *interface_find(const char *name, size_t len) {
    for (size_t i = 0; i < n_interfaces; i++)
        if (strlen(interfaces[i].name) == len && memcmp(interfaces[i].name, name, len) == 0)
            return &interfaces[i];
    return NULL;
}
