/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsndfile over bytes in memory, so that a pipe works as a file does.
 */

#include "client/edgectl/wav.h"

#include <inttypes.h>
#include <string.h>

#include <sndfile.h>

#include "base/error.h"

struct memory {
    const uint8_t *bytes;
    sf_count_t size, at;
};

static sf_count_t memory_length(void *data) {
    const struct memory *m = data;
    return m->size;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *data) {
    struct memory *m = data;
    sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : m->size;
    sf_count_t at;
    if (__builtin_add_overflow(base, offset, &at) || at < 0 || at > m->size)
        return -1;
    m->at = at;
    return at;
}

static sf_count_t memory_read(void *to, sf_count_t count, void *data) {
    struct memory *m = data;
    sf_count_t n = MIN(count, m->size - m->at);
    if (n <= 0)
        return 0;
    memcpy(to, m->bytes + m->at, (size_t)n);
    m->at += n;
    return n;
}

static sf_count_t memory_tell(void *data) {
    const struct memory *m = data;
    return m->at;
}

bool wav_probe(const void *bytes, size_t size) {
    return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 &&
           memcmp((const char *)bytes + 8, "WAVE", 4) == 0;
}

static int check_format(const SF_INFO *info, uint32_t rate, struct diag *diag) {
    if (info->samplerate != (int)rate)
        return diag_set(diag, WAV_E_INVALID,
                        "the recording has %d samples a second, the network takes %" PRIu32
                        ": convert it with 'sox IN.wav -r %" PRIu32 " -c 1 OUT.wav'",
                        info->samplerate, rate, rate);
    if (info->channels != 1)
        return diag_set(diag, WAV_E_INVALID,
                        "the recording has %d channels, the network takes one: convert it with "
                        "'sox IN.wav -c 1 OUT.wav'",
                        info->channels);
    return 0;
}

int wav_parse(const void *bytes, size_t size, uint32_t rate, size_t n, int16_t *ret_samples,
              struct diag *diag) {
    SF_VIRTUAL_IO io = {
        .get_filelen = memory_length,
        .seek = memory_seek,
        .read = memory_read,
        .tell = memory_tell,
    };
    struct memory memory = {.bytes = bytes, .size = (sf_count_t)size};
    SF_INFO info = {0};
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &memory);
    if (!file)
        return diag_set(diag, WAV_E_INVALID, "not a readable recording: %s", sf_strerror(NULL));
    int r = check_format(&info, rate, diag);
    if (!r) {
        /* A file of floats in -1 to 1 gives the whole range too. */
        sf_command(file, SFC_SET_SCALE_FLOAT_INT_READ, NULL, SF_TRUE);
        sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
        sf_count_t got = sf_read_short(file, ret_samples, (sf_count_t)n);
        size_t filled = got > 0 ? (size_t)got : 0;
        memset(ret_samples + filled, 0, (n - filled) * sizeof(*ret_samples));
    }
    sf_close(file);
    return r;
}
