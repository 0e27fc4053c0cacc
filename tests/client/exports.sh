#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shared library shows what its export list names, each of it declared in edge.h, and nothing else:
# exports.sh LIBEDGE.so SOURCE-DIR
set -euo pipefail

listed=$(sed -n 's/^ *\(edge_[a-z0-9_]*\);$/\1/p' "$2/client/libedge.sym" | sort)
shown=$(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
[ -n "$listed" ]
diff <(printf '%s\n' "$listed") <(printf '%s\n' "$shown")
for symbol in $listed; do
    grep -q "\b$symbol(" "$2/client/edge.h" || { echo "$symbol is not declared in edge.h"; exit 1; }
done
readelf -d "$1" | grep -q 'SONAME.*\[libedge\.so\.0\]'
