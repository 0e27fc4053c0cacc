/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon that has nothing to do sleeps: with networks loaded and a client connected none of its threads wakes up, and
 * with a watchdog only to feed it.
 *
 *     idle EDGED NETWORKS-DIR
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/load/caller.h"
#include "tests/load/networks.h"
#include "tests/load/outcome.h"
#include "tests/load/process.h"

#define IDLE_MS 3000
#define REST_ROUNDS 20
#define WATCHDOG_US 1000000

static void put_networks(const struct process *process, const char *demo) {
    static const char *const names[] = {"wakeword6_int8", "lenet5_int8", "lenet300_int8"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char file[4096], path[512];
        snprintf(file, sizeof(file), "%s/%s.tflite", demo, names[i]);
        network_convert(file, names[i], process->models, path, sizeof(path));
    }
}

/* Counts the datagrams of the next `ms` milliseconds; all must feed the watchdog. */
static unsigned count_feeds(int notify, int ms) {
    unsigned n = 0;
    uint64_t end = clock_now_ns() + (uint64_t)ms * 1000000;
    for (;;) {
        uint64_t now = clock_now_ns();
        struct pollfd pollfd = {.fd = notify, .events = POLLIN};
        if (now >= end || poll(&pollfd, 1, (int)((end - now) / 1000000) + 1) == 0)
            return n;
        char text[4096];
        ssize_t len = recv(notify, text, sizeof(text) - 1, 0);
        expect(len > 0, "recv: %s", strerror(errno));
        text[len] = '\0';
        if (strstr(text, "WATCHDOG=1"))
            n++;
        else
            expect(strncmp(text, "STATUS=", 7) == 0, "an unexpected notice: %s", text);
    }
}

static void check(const char *edged, const char *demo, uint64_t watchdog_us) {
    struct process process;
    struct caller caller;
    unsigned threads, feeds = 0;
    process_prepare(&process);
    put_networks(&process, demo);
    process_start(&process, edged, "[server]\nworkers = 2\n", watchdog_us);
    caller_open(&caller, process.socket);
    caller_simple(&caller, "Status", NULL, NULL);
    expect(caller_int(&caller, "models") == 3, "not all networks are loaded");
    /* Whatever the start and this call set going is over when the threads have slept once. */
    uint64_t before, now = process_switches(&process, &threads);
    for (int i = 0; i < REST_ROUNDS; i++) {
        before = now;
        if (watchdog_us)
            count_feeds(process.notify, 300);
        else
            usleep(300000);
        now = process_switches(&process, &threads);
        if (watchdog_us || now == before)
            break;
    }
    before = now;

    if (watchdog_us)
        feeds = count_feeds(process.notify, IDLE_MS);
    else
        usleep(IDLE_MS * 1000);
    uint64_t switches = process_switches(&process, &threads) - before;
    printf("%s: %u threads, %llu wake-ups and %u watchdog notices in %d s\n",
           watchdog_us ? "with a watchdog" : "idle", threads, (unsigned long long)switches, feeds,
           IDLE_MS / 1000);
    if (watchdog_us) {
        expect(feeds > 0, "nobody feeds the watchdog");
        /* One more than was seen may have been on its way. */
        expect(switches <= (uint64_t)(feeds + 1) * threads, "woken up by more than the watchdog");
    } else {
        expect(switches == 0, "an idle daemon wakes up");
    }
    caller_simple(&caller, "Status", NULL, NULL);
    caller_close(&caller);
    process_stop(&process);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: idle EDGED NETWORKS-DIR\n");
        return 2;
    }
    check(argv[1], argv[2], 0);
    check(argv[1], argv[2], WATCHDOG_US);
    return 0;
}
