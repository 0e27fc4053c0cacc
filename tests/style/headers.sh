#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone, without warnings: headers.sh BUILD-DIR COMPILER…
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/style/lib.sh

build=$1
shift
declare -a flags=(-std=gnu11 -D_GNU_SOURCE "-DEDGED_SHARED_DEFAULT=\"\"" -I. "-I$build")
flags+=(-Wall -Wextra -Wno-unused-parameter -Werror)
for package in libuv libcjson libsystemd openblas check; do
    read -ra more <<<"$(pkg-config --cflags "$package" 2>/dev/null || true)"
    flags+=("${more[@]}")
done

project_files | grep '\.h$' | while IFS= read -r header; do
    printf '#include "%s"\n' "$header" |
        "$@" "${flags[@]}" -fsyntax-only -x c - 2>&1 || printf '%s does not compile alone\n' "$header"
done | verdict
