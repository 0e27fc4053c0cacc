#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Include direction: a folder uses only the folders its row names. Includes are written from the root; generated .inc files
# have no folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/style/lib.sh

# Folder, then what it may use besides itself; a row for a file name's beginning comes before its folder's row.
rows='
base/
kernels/        base
model/          base
runtime/        base kernels model
compress/       base kernels model runtime
proto/          base
config/         base
daemon/         base kernels model runtime proto config
client/edge.    base proto
client/edge-    base proto
client/example  base proto
client/         base proto kernels model runtime compress
tests/          base kernels model runtime compress proto config daemon client bench
bench/          base kernels model runtime compress proto config daemon client tests
'

c_files | while IFS= read -r file; do
    awk -v file="$file" -v rows="$rows" '
        BEGIN {
            split(file, parts, "/")
            own = parts[1]
            n = split(rows, lines, "\n")
            for (i = 1; i <= n && !found; i++) {
                m = split(lines[i], words, " ")
                if (m == 0 || index(file, words[1]) != 1)
                    continue
                found = 1
                allowed[own] = 1
                for (j = 2; j <= m; j++)
                    allowed[words[j]] = 1
            }
            if (!found)
                printf "%s: no row for its folder in tests/style/includes.sh\n", file
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, quoted, "\"")
            if (quoted[2] ~ /^[^\/]*\.inc$/)
                next
            slash = index(quoted[2], "/")
            folder = slash ? substr(quoted[2], 1, slash - 1) : ""
            if (!slash)
                printf "%s:%d: \"%s\" is not written from the root\n", file, FNR, quoted[2]
            else if (found && !(folder in allowed))
                printf "%s:%d: %s/ may not use %s/\n", file, FNR, own, folder
        }' "$file"
done | verdict
