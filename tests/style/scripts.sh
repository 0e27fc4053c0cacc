#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ShellCheck is content with every shell script.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/style/lib.sh

if ! command -v shellcheck >/dev/null; then
    echo 'SKIPPED: shellcheck is not there'
    exit "$SKIP"
fi
project_files | while IFS= read -r file; do
    if [[ $file == *.sh ]] || head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba)?sh$'; then
        shellcheck -x -f gcc "$file" || true
    fi
done | verdict
