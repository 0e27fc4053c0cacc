/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sensors are files with a number in millionths: joules so far, which wrap around, or watts now.
 */

#include "compress/energy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "compress/run.h"

#define MAX_SENSORS 16
#define MAX_PATH 4096
#define UPDATE_NS 10000000 /* between two looks at a power sensor */

struct sensor {
    char path[MAX_PATH];
    bool is_power;  /* µW, else µJ */
    uint64_t range; /* a counter goes from this to 0; 0: not known */
    uint64_t last;
};

struct energy_meter {
    struct sensor sensors[MAX_SENSORS];
    unsigned n;
    char name[128];
    uint64_t last_ns;
    double joules;
};

/* ---- files ---- */

static int read_text(const char *path, char *ret, size_t size) {
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);
    if (n <= 0)
        return ENERGY_E_NONE;
    ret[n] = 0;
    ret[strcspn(ret, "\n")] = 0;
    return 0;
}

static int read_number(const char *path, uint64_t *ret) {
    char text[32], *end;
    int r = read_text(path, text, sizeof(text));
    if (r)
        return r;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-')
        return ENERGY_E_NONE;
    *ret = value;
    return 0;
}

/* "folder/name" in ret; false where it is too long. */
static bool join(char *ret, const char *folder, const char *name) {
    return (size_t)snprintf(ret, MAX_PATH, "%s/%s", folder, name) < MAX_PATH;
}

/* ---- finding sensors ---- */

static void add_sensor(struct energy_meter *m, const struct sensor *sensor, const char *name) {
    size_t used = strlen(m->name);
    snprintf(m->name + used, sizeof(m->name) - used, "%s%s", m->n ? " + " : "", name);
    m->sensors[m->n++] = *sensor;
}

/* A package: "intel-rapl:0". Its parts have a second number, and "intel-rapl-mmio:0" counts the same again. */
static bool is_package(const char *name) {
    static const char prefix[] = "intel-rapl:";
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return false;
    const char *number = name + sizeof(prefix) - 1;
    return *number && strspn(number, "0123456789") == strlen(number);
}

static void add_package(struct energy_meter *m, const char *folder) {
    struct sensor s = {0};
    char path[MAX_PATH], name[32];
    if (!join(path, folder, "name") || read_text(path, name, sizeof(name)))
        return;
    /* The whole platform has the packages in it. */
    if (strcmp(name, "psys") == 0 || !join(s.path, folder, "energy_uj") ||
        read_number(s.path, &s.last))
        return;
    if (!join(path, folder, "max_energy_range_uj") || read_number(path, &s.range))
        s.range = 0;
    add_sensor(m, &s, name);
}

static void find_rapl(struct energy_meter *m, const char *sysfs) {
    char folder[MAX_PATH], zone[MAX_PATH];
    if (!join(folder, sysfs, "class/powercap"))
        return;
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (is_package(entries[i]->d_name) && m->n < MAX_SENSORS &&
            join(zone, folder, entries[i]->d_name))
            add_package(m, zone);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* "power1_input" or "power1_average" of any number. */
static bool is_input(const char *name, const char *kind) {
    size_t length = strlen(kind);
    if (strncmp(name, kind, length) != 0)
        return false;
    size_t digits = strspn(name + length, "0123456789");
    const char *rest = name + length + digits;
    return digits && (strcmp(rest, "_input") == 0 || strcmp(rest, "_average") == 0);
}

/* The first sensor of this kind of one device that can be read. */
static void find_input(struct energy_meter *m, const char *device, const char *kind) {
    struct dirent **entries;
    char path[MAX_PATH], name[32] = "hwmon", label[80];
    int n = scandir(device, &entries, NULL, alphasort);
    if (join(path, device, "name") && read_text(path, name, sizeof(name)))
        snprintf(name, sizeof(name), "hwmon");
    for (int i = 0; i < n; i++) {
        struct sensor s = {.is_power = strcmp(kind, "power") == 0};
        if (m->n == 0 && is_input(entries[i]->d_name, kind) &&
            join(s.path, device, entries[i]->d_name) && read_number(s.path, &s.last) == 0) {
            snprintf(label, sizeof(label), "%s %.40s", name, entries[i]->d_name);
            add_sensor(m, &s, label);
        }
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* A counter is exact; a power sensor is what there is else. */
static void find_hwmon(struct energy_meter *m, const char *sysfs) {
    static const char *const kinds[] = {"energy", "power"};
    char folder[MAX_PATH], device[MAX_PATH];
    if (!join(folder, sysfs, "class/hwmon"))
        return;
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
        for (int i = 0; i < n; i++)
            if (m->n == 0 && strncmp(entries[i]->d_name, "hwmon", 5) == 0 &&
                join(device, folder, entries[i]->d_name))
                find_input(m, device, kinds[k]);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    if (n >= 0)
        free(entries);
}

int energy_open(const char *sysfs, struct energy_meter **ret_meter) {
    _cleanup_(energy_freep) struct energy_meter *m = calloc(1, sizeof(*m));
    if (!m)
        return err_origin(-ENOMEM);
    find_rapl(m, sysfs);
    if (m->n == 0)
        find_hwmon(m, sysfs);
    if (m->n == 0)
        return ENERGY_E_NONE;
    *ret_meter = steal(&m);
    return 0;
}

struct energy_meter *energy_free(struct energy_meter *meter) {
    free(meter);
    return NULL;
}

void energy_freep(struct energy_meter **meter) {
    *meter = energy_free(*meter);
}

const char *energy_sensor(const struct energy_meter *meter) {
    return meter->name;
}

/* ---- reading ---- */

int energy_start(struct energy_meter *meter, uint64_t now_ns) {
    int r = 0;
    for (unsigned i = 0; i < meter->n && r == 0; i++)
        r = read_number(meter->sensors[i].path, &meter->sensors[i].last);
    meter->last_ns = now_ns;
    meter->joules = 0;
    return r;
}

static double counted(const struct sensor *s, uint64_t now) {
    if (now >= s->last)
        return (double)(now - s->last) / 1e6;
    return s->range >= s->last ? (double)(s->range - s->last + now) / 1e6 : 0;
}

int energy_update(struct energy_meter *meter, uint64_t now_ns) {
    double seconds = (double)(now_ns - meter->last_ns) / 1e9;
    for (unsigned i = 0; i < meter->n; i++) {
        struct sensor *s = &meter->sensors[i];
        uint64_t now;
        int r = read_number(s->path, &now);
        if (r)
            return r;
        meter->joules +=
            s->is_power ? ((double)s->last + (double)now) / 2e6 * seconds : counted(s, now);
        s->last = now;
    }
    meter->last_ns = now_ns;
    return 0;
}

double energy_joules(const struct energy_meter *meter) {
    return meter->joules;
}

int energy_measure(struct energy_meter *meter, const struct image *image,
                   const struct dataset *data, double seconds, struct energy *ret_energy) {
    _cleanup_(run_deinit) struct run run;
    int r = run_init(&run, image, data);
    if (r)
        return r;
    uint64_t begin = clock_now_ns(), now = begin, looked = begin, runs = 0;
    r = energy_start(meter, begin);
    while (r == 0 && (double)(now - begin) < seconds * 1e9) {
        r = run_prepare(&run);
        if (r == 0)
            r = run_once(&run);
        runs++;
        now = clock_now_ns();
        if (r == 0 && now - looked >= UPDATE_NS) {
            r = energy_update(meter, now);
            looked = now;
        }
    }
    if (r == 0)
        r = energy_update(meter, now);
    if (r == 0)
        *ret_energy =
            (struct energy){.joules_per_run = energy_joules(meter) / (double)MAX(runs, 1U),
                            .runs = runs,
                            .seconds = (double)(now - begin) / 1e9};
    return r;
}
