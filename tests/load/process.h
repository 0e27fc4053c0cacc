/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A daemon of a test's own: a directory, a private socket in it, and what /proc says about the process. It ends with the
 * test, however the test ends. One thread.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_MAX_PATH 160

struct process {
    pid_t pid;
    char dir[64];
    char models[PROCESS_MAX_PATH]; /* what is in this directory is loaded at the start */
    char socket[PROCESS_MAX_PATH];
    int notify; /* where the service manager would listen; -1 after the start unless it is kept */
};

/* Makes the directories. Only one at a time. */
void process_prepare(struct process *ret_process);
/*
 * Starts `edged` with `config` as its configuration (nothing of the machine's is read) and waits until it says that it
 * is ready. `watchdog_us` 0: no watchdog; else the daemon is told of one, and process->notify stays open.
 */
void process_start(struct process *process, const char *edged, const char *config,
                   uint64_t watchdog_us);
/* SIGTERM; the daemon must end by itself and say so with status 0. Removes the directory. */
void process_stop(struct process *process);

/* Bytes, from /proc/PID/status and smaps_rollup. */
struct process_memory {
    size_t rss, anon, file, shmem;
    size_t peak; /* of rss, since the start or process_reset_peak() */
    size_t pss;
};
void process_memory(const struct process *process, struct process_memory *ret_memory);
void process_reset_peak(const struct process *process);
unsigned process_fds(const struct process *process);
/* How often its threads went to sleep, all together: whoever wakes up goes to sleep again. */
uint64_t process_switches(const struct process *process, unsigned *ret_n_threads);
