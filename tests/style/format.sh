#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format would change nothing. Another version than 14 would format differently: skipped then.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/style/lib.sh

tool=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$tool" ] || ! "$tool" --version | grep -q 'version 14\.'; then
    echo 'SKIPPED: clang-format 14 is not there'
    exit "$SKIP"
fi
c_files | xargs "$tool" --dry-run 2>&1 | { grep 'warning:' || true; } | verdict
