#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone, without warnings: headers.sh BUILD-DIR COMPILER…
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/style/lib.sh

build=$1
shift
declare -a flags=(-std=gnu11 -D_GNU_SOURCE "-DEDGED_SHARED_DEFAULT=\"\"" "-DEDGED_SOURCE=\"\"" -I. "-I$build")
flags+=(-Wall -Wextra -Wno-unused-parameter -Werror)
for package in libuv libcjson libsystemd openblas check; do
    read -ra more <<<"$(pkg-config --cflags "$package" 2>/dev/null || true)"
    flags+=("${more[@]}")
done

# compile HEADER COMPILER…
compile() {
    local header=$1
    shift
    printf '#include "%s"\n' "$header" | "$@" "${flags[@]}" -fsyntax-only -x c - 2>&1
}

# A template (-tmpl.h) is the body of a source file that sets its macros first; a vector layer (vec-*.h) needs the flags
# of its tier.
project_files | grep '\.h$' | grep -v -- '-tmpl\.h$\|/vec-[^/]*$' | while IFS= read -r header; do
    errors=$(compile "$header" "$@") || printf '%s\n%s does not compile alone\n' "$(head -n 5 <<<"$errors")" "$header"
done | verdict
