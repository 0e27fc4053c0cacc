/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes and goes: networks, clients, memory, descriptors, limits, the daemon itself. Each test has its own daemon.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/random.h"
#include "tests/daemon/harness.h"
#include "tests/daemon/tiny.h"

static struct daemon edged;
static struct client client;

static void begin(const char *const *files, const char *config) {
    edged.config = config;
    daemon_start(&edged, files, (const char *const[]){"--workers", "2", NULL});
    client_connect(&client, &edged);
}

static void end(void) {
    client_close(&client);
    ck_assert_int_eq(daemon_stop(&edged), 0);
}

#define AFFINE                                                                                     \
    "{'method':'io.edged.Infer','parameters':{'model':'affine','inputs':[{'data':[%d,0,0,0]}]}}"

static void send_affine(struct client *c, int i) {
    client_sendf(c, AFFINE, i);
}

static void expect_affine(struct client *c, int i) {
    cJSON *reply = expect_success(c);
    expect_numbers(reply, "parameters.outputs.0.data", (const double[]){i, 0, 10}, 3);
    cJSON_Delete(reply);
}

/* A call of the slow network with a batch of n, of zeros. */
static void send_slow(struct client *c, size_t n) {
    static const char head[] =
        "{\"method\":\"io.edged.Infer\",\"parameters\":{\"model\":\"slow\",\"inputs\":[{\"raw\":\"";
    size_t chars = (n * 512 * sizeof(float) + 2) / 3 * 4;
    size_t zeros = n * 512 * sizeof(float);
    char *text = malloc(sizeof(head) + chars + 32);
    strcpy(text, head);
    char *p = text + strlen(head);
    memset(p, 'A', chars);
    for (size_t pad = 0; pad < (3 - zeros % 3) % 3; pad++)
        p[chars - 1 - pad] = '=';
    strcpy(p + chars, "\"}],\"outputForm\":\"raw\"}}");
    client_send(c, text, NULL, 0);
    free(text);
}

START_TEST(test_load_unload) {
    char path[256];
    begin((const char *const[]){"affine", NULL}, NULL);
    snprintf(path, sizeof(path), "%s", daemon_path(&edged, "models/affine.edge"));
    client_sendf(&client, "{'method':'io.edged.Load','parameters':{'path':'%s'}}", path);
    expect_error(&client, "io.edged.ModelExists", "model", "affine");
    /* What follows in the pipeline sees the network. */
    client_sendf(&client, "{'method':'io.edged.Load','parameters':{'path':'%s','name':'b.2_c-'}}",
                 path);
    client_sendf(&client, "{'method':'io.edged.Infer','parameters':{'model':'b.2_c-','inputs':"
                          "[{'data':[7,0,0,0]}]}}");
    client_sendf(&client, "{'method':'io.edged.Unload','parameters':{'model':'b.2_c-'}}");
    client_sendf(&client, "{'method':'io.edged.Unload','parameters':{'model':'b.2_c-'}}");
    cJSON *reply = expect_success(&client);
    ck_assert_str_eq(json_at(reply, "parameters.model")->valuestring, "b.2_c-");
    ck_assert(json_at(reply, "parameters.bytes")->valuedouble > 0);
    cJSON_Delete(reply);
    expect_affine(&client, 7);
    cJSON_Delete(expect_success(&client));
    expect_error(&client, "io.edged.ModelNotFound", "model", "b.2_c-");
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    client_send(
        &client,
        "{\"method\":\"io.edged.Load\",\"parameters\":{\"fileDescriptor\":0,\"name\":\"c\"}}", &fd,
        1);
    cJSON_Delete(expect_success(&client));
    ck_assert_int_eq(status_of(&client, "models"), 2);
    end();
}
END_TEST

START_TEST(test_load_refused) {
    static const struct {
        const char *parameters, *bad;
    } rows[] = {
        {"", "path"},
        {"'path':'relative.edge'", "path"},
        {"'path':'/x','fileDescriptor':0", "fileDescriptor"},
        {"'fileDescriptor':0", "fileDescriptor"},
        {"'path':'/x','name':''", "name"},
        {"'path':'/x','name':'a b'", "name"},
        {"'path':'/x','name':'"
         "01234567890123456789012345678901234567890123456789012345678901234'",
         "name"},
    };
    begin(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        client_sendf(&client, "{'method':'io.edged.Load','parameters':{%s}}", rows[i].parameters);
        expect_error(&client, "org.varlink.service.InvalidParameter", "parameter", rows[i].bad);
    }
    static const char *const paths[] = {"/no/such/file", "/proc/self/exe", "/dev/null", "/tmp"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        client_sendf(&client, "{'method':'io.edged.Load','parameters':{'path':'%s'}}", paths[i]);
        expect_error(&client, "io.edged.InvalidModel", NULL, NULL);
    }
    ck_assert_int_eq(status_of(&client, "models"), 0);
    end();
}
END_TEST

/* A broken file hinders no other. */
START_TEST(test_directory) {
    begin((const char *const[]){"affine", "broken", "two", NULL}, NULL);
    ck_assert_int_eq(status_of(&client, "models"), 2);
    end();
}
END_TEST

/* Memory of a network goes back to the system: at once, or with the last session that uses it. */
START_TEST(test_unload_returns) {
    begin((const char *const[]){"slow", "counter", NULL}, NULL);
    send_slow(&client, 1);
    cJSON_Delete(expect_success(&client));
    unsigned long before = daemon_memory(&edged, "VmRSS");
    client_sendf(&client, "{'method':'io.edged.Unload','parameters':{'model':'slow'}}");
    cJSON_Delete(expect_success(&client));
    unsigned long after = daemon_memory(&edged, "VmRSS");
    ck_assert_msg(before >= after + TINY_SLOW_BYTES / 1024 * 95 / 100, "%lu KiB, then %lu", before,
                  after);
    long bytes = status_of(&client, "modelBytes");
    ck_assert_int_gt(bytes, 0);
    client_sendf(&client, "{'method':'io.edged.OpenSession','parameters':{'model':'counter'}}");
    client_sendf(&client, "{'method':'io.edged.Unload','parameters':{'model':'counter'}}");
    cJSON_Delete(expect_success(&client));
    cJSON_Delete(expect_success(&client));
    ck_assert_int_eq(status_of(&client, "models"), 0);
    ck_assert_int_eq(status_of(&client, "modelBytes"), bytes);
    client_sendf(&client, "{'method':'io.edged.CloseSession','parameters':{'session':'s1'}}");
    cJSON_Delete(expect_success(&client));
    ck_assert_int_eq(status_of(&client, "modelBytes"), 0);
    end();
}
END_TEST

/* Calls of clients that vanish are dropped, and everything they held comes back. */
START_TEST(test_killed_clients) {
    enum { ROUNDS = 30, CALLS = 40 };
    struct random random = {.state = 11};
    begin((const char *const[]){"slow", "affine", "counter", NULL}, NULL);
    _cleanup_(fd_closep) int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(fd, 65536), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    unsigned long memory = 0;
    ck_assert_int_eq(status_of(&client, "connections"), 1); /* this connection is accepted */
    unsigned fds = daemon_fds(&edged);
    for (int round = 0; round < ROUNDS; round++) {
        int ready[2];
        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct client other;
            client_connect(&other, &edged);
            client_sendf(&other,
                         "{'method':'io.edged.OpenSession','parameters':{'model':'counter'}}");
            client_send(
                &other,
                "{\"method\":\"io.edged.RegisterRegion\",\"parameters\":{\"fileDescriptor\":0}}",
                &fd, 1);
            for (int i = 0; i < CALLS; i++) {
                if (i == round && round % 2) /* also those that had closed their sending half */
                    shutdown(other.fd, SHUT_WR);
                if (i == round)
                    _exit(write(ready[1], "x", 1) != 1 || pause());
                client_sendf(&other, "{'method':'io.edged.Infer','parameters':{'model':'counter',"
                                     "'inputs':[{'region':'r1','size':1024}],'session':'s1',"
                                     "'outputForm':'fileDescriptor'}}");
                send_slow(&other, 1 + i % 8);
            }
            _exit(1);
        }
        char byte;
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        int before = (int)random_below(&random, 50);
        for (int i = 0; i < before; i++)
            send_affine(&client, i);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        for (int i = 0; i < before; i++)
            expect_affine(&client, i);
        fd_close(ready[0]);
        fd_close(ready[1]);
        wait_status(&client, "connections", 1);
        wait_status(&client, "running", 0);
        if (round == ROUNDS / 2)
            memory = daemon_memory(&edged, "RssAnon");
    }
    ck_assert_int_eq(status_of(&client, "sessions"), 0);
    ck_assert_int_eq(status_of(&client, "regions"), 0);
    ck_assert_int_eq(status_of(&client, "queued"), 0);
    ck_assert_uint_eq(daemon_fds(&edged), fds);
    unsigned long now = daemon_memory(&edged, "RssAnon");
    ck_assert_msg(now <= memory + 4096 + MEMORY_SLACK_KIB, "%lu KiB, then %lu", memory, now);
    end();
}
END_TEST

/* A short queue holds clients back and loses nothing. */
START_TEST(test_short_queue) {
    enum { CLIENTS = 6, CALLS = 300 };
    struct client others[CLIENTS];
    begin((const char *const[]){"affine", "slow", NULL}, "[limits]\nqueue = 2\n");
    for (int c = 0; c < CLIENTS; c++)
        client_connect(&others[c], &edged);
    for (int i = 0; i < CALLS; i++)
        for (int c = 0; c < CLIENTS; c++) {
            if (i % 50 == 0)
                send_slow(&others[c], 2);
            send_affine(&others[c], i * CLIENTS + c);
        }
    for (int c = CLIENTS - 1; c >= 0; c--)
        for (int i = 0; i < CALLS; i++) {
            if (i % 50 == 0)
                cJSON_Delete(expect_success(&others[c]));
            expect_affine(&others[c], i * CLIENTS + c);
        }
    for (int c = 0; c < CLIENTS; c++)
        client_close(&others[c]);
    end();
}
END_TEST

/* A client that does not read is not read; what it asked for comes when it does. */
START_TEST(test_slow_reader) {
    static const char call[] =
        "{\"method\":\"io.edged.Describe\",\"parameters\":{\"model\":\"slow\"}}";
    begin((const char *const[]){"slow", NULL}, NULL);
    struct client other;
    client_connect(&other, &edged);
    long n = 0;
    size_t part = 0;
    for (;;) {
        ssize_t sent =
            send(other.fd, call + part, sizeof(call) - part, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            break;
        part += (size_t)sent;
        if (part == sizeof(call)) {
            part = 0;
            n++;
        }
        /* The daemon takes what it will before it answers this. */
        if (n % 100 == 0 && part == 0)
            status_of(&client, "models");
    }
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_uint_lt(daemon_memory(&edged, "RssAnon"), MEMORY_SLACK_KIB + (16 << 10));
    for (long i = 0; i < n; i++)
        cJSON_Delete(expect_success(&other));
    client_close(&other);
    end();
}
END_TEST

START_TEST(test_connection_limit) {
    struct client others[4];
    begin(NULL, "[limits]\nmax-connections-per-user = 4\n");
    for (int i = 0; i < 3; i++) {
        client_connect(&others[i], &edged);
        ck_assert_int_eq(status_of(&others[i], "connections"), i + 2);
    }
    client_connect(&others[3], &edged);
    /* It has been turned away when this is answered, and can still call. */
    ck_assert_int_eq(status_of(&others[0], "connections"), 4);
    client_sendf(&others[3], "{'method':'io.edged.Status'}");
    expect_error(&others[3], "io.edged.QuotaExceeded", "resource", "connections");
    expect_closed(&others[3]);
    client_close(&others[0]);
    client_close(&others[3]);
    wait_status(&client, "connections", 3);
    client_connect(&others[0], &edged);
    ck_assert_int_eq(status_of(&others[0], "connections"), 4);
    for (int i = 0; i < 3; i++)
        client_close(&others[i]);
    end();
}
END_TEST

START_TEST(test_memory_limit) {
    begin((const char *const[]){"affine", "slow", NULL}, "[limits]\nmemory-per-user = 2M\n");
    client_sendf(&client, "{'method':'io.edged.RegisterRegion','parameters':{'size':1048576}}");
    cJSON_Delete(expect_success(&client));
    client_sendf(&client, "{'method':'io.edged.RegisterRegion','parameters':{'size':1048576}}");
    expect_error(&client, "io.edged.QuotaExceeded", "resource", "bytes");
    client_sendf(&client, "{'method':'io.edged.Infer','parameters':{'model':'slow','inputs':"
                          "[{'region':'r1'}],'outputForm':'raw'}}");
    cJSON_Delete(expect_success(&client));
    client_sendf(&client, "{'method':'io.edged.Infer','parameters':{'model':'slow','inputs':"
                          "[{'region':'r1','shape':[64,512]}],'outputForm':'data'}}");
    expect_error(&client, "io.edged.QuotaExceeded", "resource", "bytes");
    client_sendf(&client, "{'method':'io.edged.UnregisterRegion','parameters':{'region':'r1'}}");
    cJSON_Delete(expect_success(&client));
    client_sendf(&client, "{'method':'io.edged.RegisterRegion','parameters':{'size':1048576}}");
    cJSON_Delete(expect_success(&client));
    end();
}
END_TEST

/* A user who has used up everything is answered, and can give something back. */
START_TEST(test_full_account) {
    struct client other;
    const char *batch = "{'method':'io.edged.Infer','parameters':{'model':'slow','inputs':"
                        "[{'region':'r1','shape':[64,512]}],'outputForm':'raw'}}";
    begin((const char *const[]){"affine", "slow", NULL}, "[limits]\nmemory-per-user = 2M\n");
    client_connect(&other, &edged);
    ck_assert_int_eq(status_of(&other, "connections"), 2);
    for (size_t size = 1 << 20; size;) {
        client_sendf(&client, "{'method':'io.edged.RegisterRegion','parameters':{'size':%zu}}",
                     size);
        cJSON *reply = client_receive(&client);
        ck_assert_ptr_nonnull(reply);
        if (json_at(reply, "error"))
            size /= 2;
        cJSON_Delete(reply);
    }
    client_sendf(&client, "%s", batch);
    expect_error(&client, "io.edged.QuotaExceeded", "resource", "bytes");
    send_affine(&other, 1);
    expect_affine(&other, 1);
    ck_assert_int_eq(status_of(&other, "connections"), 2);
    client_sendf(&client, "{'method':'io.edged.UnregisterRegion','parameters':{'region':'r2'}}");
    cJSON_Delete(expect_success(&client));
    client_sendf(&client, "%s", batch);
    cJSON_Delete(expect_success(&client));
    client_close(&other);
    end();
}
END_TEST

/* Answers that nobody fetches are held for their user as anything else is: where there is no room, calls wait. */
START_TEST(test_unread_answers) {
    enum { CLIENTS = 20, CALLS = 100 };
    struct client others[CLIENTS];
    begin(NULL, "[limits]\nmemory-per-user = 4M\n");
    for (int i = 0; i < CLIENTS; i++) {
        client_connect(&others[i], &edged);
        ck_assert_int_eq(status_of(&others[i], "connections"), i + 2);
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < CALLS; j++)
            client_sendf(&others[i], "{'method':'org.varlink.service.GetInterfaceDescription',"
                                     "'parameters':{'interface':'io.edged'}}");
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_ge(status_of(&client, "connections"), 1);
    ck_assert_uint_lt(daemon_memory(&edged, "RssAnon"), MEMORY_SLACK_KIB + (8 << 10));
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < CALLS; j++)
            cJSON_Delete(expect_success(&others[i]));
        client_close(&others[i]);
    }
    end();
}
END_TEST

START_TEST(test_descriptors_run_out) {
    enum { CLIENTS = 40 };
    struct client others[CLIENTS];
    begin(NULL, NULL);
    const struct rlimit low = {.rlim_cur = daemon_fds(&edged) + 10, .rlim_max = 4096};
    ck_assert_int_eq(prlimit(edged.pid, RLIMIT_NOFILE, &low, NULL), 0);
    for (int i = 0; i < CLIENTS; i++)
        client_connect(&others[i], &edged);
    /* Each is either served or cut off, none left hanging. */
    int served = 0;
    for (int i = 0; i < CLIENTS; i++) {
        static const char call[] = "{\"method\":\"io.edged.List\"}";
        send(others[i].fd, call, sizeof(call), MSG_NOSIGNAL);
        cJSON *reply = client_receive(&others[i]);
        served += reply != NULL;
        cJSON_Delete(reply);
    }
    ck_assert_int_gt(served, 0);
    ck_assert_int_lt(served, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&others[i]);
    wait_status(&client, "connections", 1);
    client_connect(&others[0], &edged);
    ck_assert_int_eq(status_of(&others[0], "connections"), 2);
    client_close(&others[0]);
    end();
}
END_TEST

/* What an ordinary user may not do: as "nobody", in a child. */
START_TEST(test_access) {
    begin((const char *const[]){"affine", NULL}, "[server]\nsocket-mode = 0666\n");
    if (geteuid() != 0) {
        printf("SKIPPED: only root can be somebody else\n");
        end();
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        struct client other;
        ck_assert_int_eq(setuid(65534), 0);
        client_connect(&other, &edged);
        client_sendf(&other, "{'method':'io.edged.Unload','parameters':{'model':'affine'}}");
        expect_error(&other, "org.varlink.service.PermissionDenied", NULL, NULL);
        client_sendf(&other, "{'method':'io.edged.Load','parameters':{'path':'/x'}}");
        expect_error(&other, "org.varlink.service.PermissionDenied", NULL, NULL);
        send_affine(&other, 3);
        expect_affine(&other, 3);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end();
}
END_TEST

/* On SIGTERM what was asked is answered first. */
START_TEST(test_drain) {
    begin((const char *const[]){"affine", "slow", NULL}, NULL);
    for (int i = 0; i < 20; i++) {
        send_slow(&client, 4);
        send_affine(&client, i);
    }
    /* The first answer is there: the calls have been read. */
    cJSON_Delete(expect_success(&client));
    kill(edged.pid, SIGTERM);
    daemon_wait(&edged, "STOPPING=1");
    int answered = 0;
    for (cJSON *reply; (reply = client_receive(&client)); answered++) {
        ck_assert_ptr_null(json_at(reply, "error"));
        cJSON_Delete(reply);
    }
    ck_assert_int_ge(answered, 1);
    end();
}
END_TEST

/* The second signal does not wait for anybody. */
START_TEST(test_stop_at_once) {
    begin((const char *const[]){"slow", NULL}, NULL);
    client_sendf(&client, "{'method':'io.edged.RegisterRegion','parameters':{'size':4194304}}");
    cJSON_Delete(expect_success(&client));
    for (int i = 0; i < 40; i++)
        client_sendf(&client, "{'method':'io.edged.Infer','parameters':{'model':'slow','inputs':"
                              "[{'region':'r1','size':524288}],'outputs':[]}}");
    cJSON_Delete(expect_success(&client));
    kill(edged.pid, SIGTERM);
    daemon_wait(&edged, "STOPPING=1");
    end();
}
END_TEST

START_TEST(test_watchdog) {
    setenv("WATCHDOG_USEC", "200000", 1);
    begin(NULL, NULL);
    daemon_wait(&edged, "WATCHDOG=1");
    daemon_wait(&edged, "WATCHDOG=1");
    end();
    unsetenv("WATCHDOG_USEC");
}
END_TEST

/* varlinkctl's exec: a connected socket as descriptor 3, no daemon anywhere; it ends with the connection. */
START_TEST(test_exec) {
    int pair[2], status;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char text[16];
        snprintf(text, sizeof(text), "%d", getpid());
        setenv("LISTEN_PID", text, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "varlink", 1);
        dup2(pair[1], 3);
        execl(EDGED_EXE, EDGED_EXE, "--models", "", NULL);
        _exit(127);
    }
    client = (struct client){.fd = pair[0]};
    fd_close(pair[1]);
    client_sendf(&client, "{'method':'org.varlink.service.GetInfo'}");
    cJSON_Delete(expect_success(&client));
    client_close(&client);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static void write_config(const char *text) {
    int fd = open(daemon_path(&edged, "bad.conf"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

START_TEST(test_command_line) {
    begin(NULL, NULL);
    ck_assert_int_eq(daemon_run((const char *const[]){"--help", NULL}), 0);
    ck_assert_int_eq(daemon_run((const char *const[]){"--version", NULL}), 0);
    ck_assert_int_eq(daemon_run((const char *const[]){"--frobnicate", NULL}), 2);
    ck_assert_int_eq(daemon_run((const char *const[]){"argument", NULL}), 2);
    ck_assert_int_eq(daemon_run((const char *const[]){"--workers", "many", NULL}), 2);
    ck_assert_int_eq(daemon_run((const char *const[]){"--cpu", "abacus", NULL}), 2);
    ck_assert_int_eq(daemon_run((const char *const[]){"--config", "/no/such/file", NULL}), 78);
    write_config("[server]\nadmin-users = no-such-user\n");
    ck_assert_int_eq(
        daemon_run((const char *const[]){"--config", daemon_path(&edged, "bad.conf"), NULL}), 78);
    struct stat st;
    ck_assert_int_eq(stat(edged.socket, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    kill(edged.pid, SIGHUP);
    ck_assert_int_eq(daemon_run((const char *const[]){"--socket", "/no/such/dir/socket", NULL}), 1);
    /* A socket that is served stays whose it is. */
    ck_assert_int_eq(daemon_run((const char *const[]){"--socket", edged.socket, NULL}), 1);
    ck_assert_int_eq(status_of(&client, "models"), 0);
    end();
}
END_TEST

/* One that a crash left behind is replaced. */
START_TEST(test_stale_socket) {
    begin(NULL, NULL);
    client_close(&client);
    kill(edged.pid, SIGKILL);
    ck_assert_int_eq(waitpid(edged.pid, NULL, 0), edged.pid);
    ck_assert_int_eq(access(edged.socket, F_OK), 0);
    daemon_restart(&edged);
    client_connect(&client, &edged);
    ck_assert_int_eq(status_of(&client, "models"), 0);
    end();
}
END_TEST

int main(void) {
    Suite *s = suite_create("life");
    TCase *t = tcase_create("life");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_load_unload);
    tcase_add_test(t, test_load_refused);
    tcase_add_test(t, test_directory);
    tcase_add_test(t, test_unload_returns);
    tcase_add_test(t, test_killed_clients);
    tcase_add_test(t, test_short_queue);
    tcase_add_test(t, test_slow_reader);
    tcase_add_test(t, test_connection_limit);
    tcase_add_test(t, test_memory_limit);
    tcase_add_test(t, test_full_account);
    tcase_add_test(t, test_unread_answers);
    tcase_add_test(t, test_descriptors_run_out);
    tcase_add_test(t, test_access);
    tcase_add_test(t, test_drain);
    tcase_add_test(t, test_stop_at_once);
    tcase_add_test(t, test_watchdog);
    tcase_add_test(t, test_exec);
    tcase_add_test(t, test_command_line);
    tcase_add_test(t, test_stale_socket);
    suite_add_tcase(s, t);
    return run_suite(s);
}
