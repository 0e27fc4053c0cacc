/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The interfaces that edged serves, in the Varlink interface language. Constant data.
 */

#include <stddef.h>

#define INTERFACE_EDGED "io.edged"
#define INTERFACE_SERVICE "org.varlink.service"

struct interface {
    const char *name;
    const char *description;
};

/* Sorted by name. */
extern const struct interface interfaces[];
extern const size_t n_interfaces;

/* The interface whose name is the first `len` bytes of `name`; NULL for an unknown one. */
const struct interface *interface_find(const char *name, size_t len);
