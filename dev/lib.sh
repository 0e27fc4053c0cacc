# SPDX-License-Identifier: Apache-2.0
# What dev/demo and dev/test share: the packages of Debian 12 and how they get here. Sourced from the source root.
# shellcheck shell=bash disable=SC2034

# To build and run.
BUILD_PACKAGES=(
    gcc libc6-dev meson ninja-build pkg-config
    libcjson-dev libinih-dev libopenblas-dev libpng-dev libsndfile1-dev
    libsystemd-dev libuv1-dev libzstd-dev
)
# To test, beyond that.
TEST_PACKAGES=(check shellcheck clang-format-14 systemd)
SANITIZE_PACKAGES=(check)
FUZZ_PACKAGES=(clang-14 libclang-rt-14-dev)
NSPAWN_PACKAGES=(debootstrap systemd-container)
AARCH64_PACKAGES=(
    gcc-aarch64-linux-gnu qemu-user-static
    check:arm64 libc6-dev:arm64 libcjson-dev:arm64 libinih-dev:arm64 libopenblas-dev:arm64
    libpng-dev:arm64 libsndfile1-dev:arm64 libsystemd-dev:arm64 libuv1-dev:arm64 libzstd-dev:arm64
)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# as_root COMMAND…
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "neither root nor sudo: run this as root first: $*"
    fi
}

# Prints those of the packages that are not installed. A name without an architecture means the machine's own, though the
# arm64 one may be there beside it.
missing_packages() {
    local package native
    native=$(dpkg --print-architecture)
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$package" 2>/dev/null |
            grep -qE "^installed ($([[ $package == *:* ]] && echo "${package##*:}" || echo "$native")|all)$" ||
            printf '%s\n' "$package"
    done
}

# Installs what is missing, and only then asks for rights and the network.
need_packages() {
    local -a missing
    command -v dpkg-query >/dev/null || return 0 # not Debian: meson will say what it misses
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [[ " ${missing[*]} " == *:arm64\ * ]] && ! dpkg --print-foreign-architectures | grep -qx arm64; then
        as_root dpkg --add-architecture arm64
    fi
    printf 'installing %s\n' "${missing[*]}" >&2
    local log
    log=$(mktemp)
    if ! { as_root apt-get -q update && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "could not install ${missing[*]}"
    fi
    rm -f "$log"
}

# configure DIR OPTION…: sets a build up; one that is there is looked over again, since packages may have come since.
configure() {
    local dir=$1 option
    local -a changeable=()
    shift
    if [ ! -e "$dir/build.ninja" ]; then
        meson setup "$dir" "$@"
        return
    fi
    for option in "$@"; do
        [[ $option != -D* ]] || changeable+=("$option")
    done
    meson setup --reconfigure "$dir" ${changeable[@]+"${changeable[@]}"}
}
