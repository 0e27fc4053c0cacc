/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors, memfds, mappings, whole files.
 */

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

int fd_close(int fd) {
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

void fd_closep(int *fd) {
    *fd = fd_close(*fd);
}

void map_deinit(struct map *map) {
    if (map->data)
        munmap(map->data, map->size);
    *map = (struct map){0};
}

int memfd_new(const char *name, size_t size, int *ret_fd) {
    if (size == 0 || size > (size_t)INT64_MAX)
        return err_origin(-EINVAL);
    _cleanup_(fd_closep) int fd =
        memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* Linux before 6.3 does not know NOEXEC_SEAL */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_origin(-errno);
    /* ftruncate alone would leave holes whose first touch can end in SIGBUS. */
    if (fallocate(fd, 0, 0, (off_t)size) < 0)
        return err_origin(-errno);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int add_seals(int fd, int seals) {
    if (fcntl(fd, F_ADD_SEALS, seals) < 0)
        return err_origin(-errno);
    return 0;
}

int memfd_seal_image(int fd) {
    return add_seals(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

int memfd_seal_region(int fd) {
    return add_seals(fd, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

int memfd_seals(int fd, unsigned *ret_seals) {
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0)
        return -errno;
    *ret_seals = (unsigned)seals;
    return 0;
}

static int map_fd(int fd, size_t size, int prot, int flags, struct map *ret_map) {
    void *data = mmap(NULL, size, prot, flags, fd, 0);
    if (data == MAP_FAILED)
        return err_origin(-errno);
    *ret_map = (struct map){.data = data, .size = size};
    return 0;
}

int map_shared(int fd, size_t size, struct map *ret_map) {
    return map_fd(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, ret_map);
}

int map_sealed(int fd, size_t size, struct map *ret_map) {
    return map_fd(fd, size, PROT_READ, MAP_PRIVATE, ret_map);
}

/* Linux before 5.14: a touch of each page does the same. */
static void touch_pages(volatile char *data, size_t size, bool writable) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < size; at += page) {
        char c = data[at];
        if (writable)
            data[at] = c;
    }
}

void map_populate(const struct map *map, bool writable) {
    if (map->data &&
        madvise(map->data, map->size, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) < 0 &&
        errno == EINVAL)
        touch_pages(map->data, map->size, writable);
}

int map_read_fd(int fd, size_t max, struct map *ret_map, struct diag *diag) {
    struct stat st;
    if (fstat(fd, &st) < 0)
        return diag_set(diag, -errno, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return diag_set(diag, -EINVAL, "not a regular file");
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return diag_set(diag, -EFBIG, "%lld bytes, more than the limit of %zu",
                        (long long)st.st_size, max);
    if (st.st_size == 0) {
        *ret_map = (struct map){0};
        return 0;
    }
    size_t size = (size_t)st.st_size;
    _cleanup_(map_deinit) struct map map = {0};
    int r = map_fd(-1, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, &map);
    if (r < 0)
        return diag_set(diag, r, "no memory for %zu bytes", size);
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)map.data + done, size - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return diag_set(diag, -errno, "cannot read: %s", strerror(errno));
        if (n == 0)
            return diag_set(diag, -EIO, "shrank to %zu bytes while it was read", done);
        done += (size_t)n;
    }
    *ret_map = map;
    map = (struct map){0};
    return 0;
}

int map_read_file(const char *path, size_t max, struct map *ret_map, struct diag *diag) {
    /* O_NONBLOCK: opening a FIFO must not hang; regular files ignore it. */
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return diag_set(diag, -errno, "%s: %s", path, strerror(errno));
    int r = map_read_fd(fd, max, ret_map, diag);
    return r ? diag_prefix(diag, r, "%s", path) : 0;
}

static int write_all(int fd, const void *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

/* A temporary file beside `path` takes its name once all is on the disk. */
static int replace_file(const char *path, const void *data, size_t size, struct diag *diag) {
    char temp[PATH_MAX];
    int len = snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof(temp))
        return diag_set(diag, -ENAMETOOLONG, "%s: name too long", path);
    _cleanup_(fd_closep) int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return diag_set(diag, -errno, "%s: cannot create a file here: %s", path, strerror(errno));
    mode_t mask = umask(0);
    umask(mask);
    int r = write_all(fd, data, size);
    if (r == 0 && (fsync(fd) < 0 || fchmod(fd, 0666 & ~mask) < 0 || rename(temp, path) < 0))
        r = -errno;
    if (r < 0) {
        unlink(temp);
        return diag_set(diag, r, "%s: cannot write: %s", path, strerror(-r));
    }
    return 0;
}

/* A device or a FIFO takes the bytes itself: renaming over it would take it away from everybody. */
static int write_into(const char *path, const void *data, size_t size, struct diag *diag) {
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    int r = fd < 0 ? -errno : write_all(fd, data, size);
    return r < 0 ? diag_set(diag, r, "%s: cannot write: %s", path, strerror(-r)) : 0;
}

int file_write_atomic(const char *path, const void *data, size_t size, struct diag *diag) {
    struct stat st;
    if (stat(path, &st) < 0) {
        if (lstat(path, &st) == 0)
            return diag_set(diag, -ENOENT, "%s: a symbolic link that leads nowhere", path);
        return replace_file(path, data, size, diag);
    }
    if (S_ISDIR(st.st_mode))
        return diag_set(diag, -EISDIR, "%s: a directory", path);
    if (!S_ISREG(st.st_mode))
        return write_into(path, data, size, diag);
    /* The file that links lead to is replaced, not the links. */
    char target[PATH_MAX];
    if (!realpath(path, target))
        return diag_set(diag, -errno, "%s: %s", path, strerror(errno));
    return replace_file(target, data, size, diag);
}
