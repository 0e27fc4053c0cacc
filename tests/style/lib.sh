# SPDX-License-Identifier: Apache-2.0
# What the style checks share. Sourced; the caller has changed to the source root.
# shellcheck shell=bash

# What `meson test` takes for "skipped".
# shellcheck disable=SC2034
SKIP=77

# The project's own files, one a line: those git knows or would add, else (in a release archive) everything but builds.
project_files() {
    if git rev-parse --git-dir >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
            [ ! -f "$file" ] || printf '%s\n' "$file"
        done
    else
        find . -name 'build*' -prune -o -type f -print | sed 's|^\./||'
    fi
}

c_files() {
    project_files | grep -E '\.[ch]$'
}

# Reads complaints from stdin, shows them, and fails if there is one.
verdict() {
    local lines
    lines=$(cat)
    [ -n "$lines" ] || return 0
    printf '%s\n' "$lines"
    printf '%s complaints\n' "$(wc -l <<<"$lines")"
    return 1
}
