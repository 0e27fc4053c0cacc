/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking, reserving and mapping a client's memfd. A page that is not there yet (a hole) would be allocated at the
 * first touch, and where memory has run out that is a SIGBUS: holes are filled before the memory is mapped, or, where the
 * write seal forbids it, read as zeros with pread.
 */

#include "daemon/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int shared_check(int fd, uint64_t *ret_size, unsigned *ret_seals, struct diag *diag) {
    unsigned seals = 0;
    struct statfs fs;
    struct stat st;
    if (memfd_seals(fd, &seals) < 0)
        return diag_set(diag, SHARED_E_REFUSED, "the descriptor is no memfd");
    if (!(seals & F_SEAL_SHRINK))
        return diag_set(diag, SHARED_E_REFUSED,
                        "the memfd may shrink: it needs F_SEAL_SHRINK before it is passed");
    /* Parts of huge pages can be neither mapped nor unmapped. */
    if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
        return diag_set(diag, SHARED_E_REFUSED, "huge pages are not supported");
    if (fstat(fd, &st) < 0)
        return diag_set(diag, SHARED_E_REFUSED, "no size: %s", strerror(errno));
    if (st.st_size <= 0)
        return diag_set(diag, SHARED_E_REFUSED, "the memfd is empty");
    *ret_size = (uint64_t)st.st_size;
    *ret_seals = seals;
    return 0;
}

int shared_map_region(int fd, size_t size, struct map *ret_map, struct diag *diag) {
    uint64_t now;
    unsigned seals = 0;
    int r = shared_check(fd, &now, &seals, diag);
    if (r)
        return r;
    if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return diag_set(diag, SHARED_E_REFUSED, "the memfd is sealed against writing");
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
        return diag_set(diag, SHARED_E_REFUSED, "the memfd is not open for writing");
    if (fallocate(fd, 0, 0, (off_t)size) < 0)
        return diag_set(diag, SHARED_E_REFUSED, "cannot reserve %zu bytes: %s", size,
                        strerror(errno));
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return diag_set(diag, SHARED_E_REFUSED, "cannot map %zu bytes: %s", size, strerror(errno));
    *ret_map = (struct map){.data = data, .size = size};
    return 0;
}

/* Whether all pages of the range are there. Only asked where the write seal keeps it so. */
static bool has_hole(int fd, uint64_t offset, size_t size) {
    off_t hole = lseek(fd, (off_t)offset, SEEK_HOLE);
    return hole < 0 || (uint64_t)hole < offset + size;
}

static int copy_range(int fd, uint64_t offset, size_t size, void *copy, struct diag *diag) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)copy + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return diag_set(diag, SHARED_E_REFUSED, "cannot read the memfd: %s",
                            n ? strerror(errno) : "it ended early");
        done += (size_t)n;
    }
    return 0;
}

/* Maps the whole pages around the range. */
static int map_range(int fd, uint64_t offset, size_t size, int flags, struct map *ret_map,
                     const void **ret_data) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t begin = offset & ~(page - 1);
    size_t len = (size_t)(offset - begin) + size;
    void *data = mmap(NULL, len, PROT_READ, flags, fd, (off_t)begin);
    if (data == MAP_FAILED)
        return -errno;
    *ret_map = (struct map){.data = data, .size = len};
    *ret_data = (char *)data + (offset - begin);
    return 0;
}

int shared_open(int fd, uint64_t offset, size_t size, void *copy, struct map *ret_map,
                const void **ret_data, struct diag *diag) {
    uint64_t total;
    unsigned seals = 0;
    int r = shared_check(fd, &total, &seals, diag);
    if (r)
        return r;
    if (!range_within(offset, size, total))
        return diag_set(diag, SHARED_E_REFUSED,
                        "%zu bytes from %llu on are not in the memfd's %llu", size,
                        (unsigned long long)offset, (unsigned long long)total);
    bool sealed = seals & F_SEAL_WRITE;
    bool reserved =
        sealed ? !has_hole(fd, offset, size) : fallocate(fd, 0, (off_t)offset, (off_t)size) == 0;
    if (!sealed && !reserved && errno == ENOSPC)
        return diag_set(diag, SHARED_E_REFUSED, "no memory for %zu bytes", size);
    /* Kernels below 6.7 refuse a shared mapping of a write-sealed memfd. */
    if (reserved &&
        map_range(fd, offset, size, sealed ? MAP_PRIVATE : MAP_SHARED, ret_map, ret_data) == 0)
        return 0;
    *ret_data = copy;
    return copy_range(fd, offset, size, copy, diag);
}
