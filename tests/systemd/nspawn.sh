#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `meson install` puts in place, under a real systemd: nspawn.sh BUILD-DIR
#
# Installs the build into a copy of a small Debian root, boots that with systemd-nspawn, and has inside.sh check it from
# within. Prints one line "ok …" or "FAILED …" per check; exit status 0, 1, or 77 where such a root cannot be made or
# booted here. The bare root is kept in $EDGED_NSPAWN_CACHE (/var/tmp/edged-nspawn).
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$1
cache=${EDGED_NSPAWN_CACHE:-/var/tmp/edged-nspawn}
# What our programs are linked with or load, and systemd.
packages=systemd,systemd-sysv,libcjson1,libinih1,libopenblas0-pthread,libpng16-16,libsndfile1
packages+=,libsystemd0,libuv1,libzstd1

skip() {
    printf 'SKIPPED: %s\n' "$*"
    exit 77
}

[ "$(id -u)" -eq 0 ] || skip 'systemd-nspawn needs root'
for tool in debootstrap systemd-nspawn; do
    command -v "$tool" >/dev/null || skip "$tool is not there"
done

# make_base: the bare root, made once for a list of packages.
make_base() {
    [ "$(cat "$cache/packages" 2>/dev/null)" != "$packages" ] || return 0
    rm -rf --one-file-system "$cache"
    mkdir -p "$cache"
    if ! debootstrap --variant=minbase --include="$packages" bookworm "$cache/root" >"$cache/log" 2>&1; then
        tail -n 5 "$cache/log"
        rm -rf --one-file-system "$cache/root"
        skip 'debootstrap could not make a root'
    fi
    rm -rf "$cache/root/var/cache/apt/archives" "$cache/root/var/lib/apt/lists"
    printf '%s\n' "$packages" >"$cache/packages"
}

# furnish ROOT: what a package's scripts would do after unpacking, one network, a short watchdog, and the check itself.
furnish() {
    local root=$1
    DESTDIR=$root meson install -C "$build" --no-rebuild >/dev/null
    ldconfig -r "$root"
    systemd-sysusers --root="$root"
    systemd-tmpfiles --root="$root" --create edged.conf
    systemctl --root="$root" enable edged.socket
    "$build/client/edgectl/edgectl" import demo/networks/lenet300_int8.tflite --name lenet300 --frontend pixels \
        --labels demo/networks/lenet300.labels.txt -o "$root/var/lib/edged/models/lenet300.edge"
    mkdir -p "$root/etc/systemd/system/edged.service.d"
    printf '[Service]\nWatchdogSec=2s\n' >"$root/etc/systemd/system/edged.service.d/test.conf"
    mkdir "$root/check"
    cp tests/systemd/inside.sh demo/inputs/digits/digit_7.png "$root/check/"
    cp tests/systemd/edged-check.service "$root/etc/systemd/system/"
}

make_base
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
cp -a --reflink=auto "$cache/root" "$work/root"
furnish "$work/root"
boot=0
timeout -k 5 180 systemd-nspawn --quiet --directory="$work/root" --boot --register=no --keep-unit --private-network \
    --console=pipe -- systemd.unit=multi-user.target systemd.wants=edged-check.service \
    </dev/null >"$work/console" 2>&1 || boot=$?
if [ ! -e "$work/root/check/result" ]; then
    skip "systemd-nspawn cannot boot here: $(tail -n 1 "$work/console")"
fi
grep -vx 'done' "$work/root/check/result"
if ! tail -n 1 "$work/root/check/result" | grep -q '^done$'; then
    tail -n 20 "$work/console"
    echo "FAILED the checks did not come to their end (systemd-nspawn: exit $boot)"
fi
! grep -q '^FAILED ' "$work/root/check/result" && [ "$boot" -eq 0 ]
