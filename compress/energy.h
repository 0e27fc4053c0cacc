/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Energy from what the machine itself measures: the RAPL counters of all processor packages together, else the first
 * energy or power sensor of hwmon. It is the energy of everything that runs meanwhile, idle parts included. A meter
 * belongs to one thread.
 */

#include <stdint.h>

#include "base/attributes.h"

struct dataset;
struct image;

#define ENERGY_SYSFS "/sys"

enum {
    ENERGY_E_NONE = 1, /* the machine has no sensor, or it may not be read */
};

struct energy_meter;

/* The sensors under this root, ENERGY_SYSFS but in tests. -ENOMEM, ENERGY_E_NONE. */
_nodiscard_ int energy_open(const char *sysfs, struct energy_meter **ret_meter);
struct energy_meter *energy_free(struct energy_meter *meter);
void energy_freep(struct energy_meter **meter);
/* "package-0", or the names of all sensors that are added up, "package-0 + package-1". */
const char *energy_sensor(const struct energy_meter *meter);

/* Begins at zero, at the time `now_ns` of clock_now_ns(). 0 or ENERGY_E_NONE where a sensor went away. */
_nodiscard_ int energy_start(struct energy_meter *meter, uint64_t now_ns);
/* Adds what was used since the last call: counters that wrapped around once are seen; power sensors are averaged over the
 * two ends, so call it many times a second. The same. */
_nodiscard_ int energy_update(struct energy_meter *meter, uint64_t now_ns);
double energy_joules(const struct energy_meter *meter);

struct energy {
    double joules_per_run;
    uint64_t runs;
    double seconds;
};
/* Runs the image on this thread for about `seconds`, on samples of `data` in turn (NULL: zeros). -ENOMEM, ENERGY_E_NONE. */
_nodiscard_ int energy_measure(struct energy_meter *meter, const struct image *image,
                               const struct dataset *data, double seconds,
                               struct energy *ret_energy);
