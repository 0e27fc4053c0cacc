#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What every file of ours keeps to: licence line, no tabs or blanks at line ends, a newline at the end, block comments
# only, nothing left to be done.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/style/lib.sh

# Data, and files whose form is not ours to choose.
text_files() {
    project_files | grep -vE '^(tests/.*/corpus/|tests/golden/|demo/(networks|inputs|licences)/)' |
        grep -vE '\.(bin|edge|jpg|npy|onnx|png|tflite|wav)$'
}

licence() {
    text_files | grep -vE '(^|/)(LICENSE|NEWS\.md|\.[a-z-]+)$|\.(json|md|txt|svg|html|varlink)$' | while IFS= read -r file; do
        head -n 3 "$file" | grep -qF 'SPDX-License-Identifier: Apache-2.0' ||
            printf '%s: no SPDX line among the first three\n' "$file"
    done
}

blanks() {
    text_files | while IFS= read -r file; do
        awk -v file="$file" '
            /\t/ { printf "%s:%d: a tab\n", file, FNR }
            /[ \r]$/ { printf "%s:%d: a blank or CR at the end\n", file, FNR }' "$file"
        [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || printf '%s: no newline at the end\n' "$file"
    done
}

unfinished() {
    text_files | grep -vxF tests/style/hygiene.sh | while IFS= read -r file; do
        grep -nHE '\b(TODO|FIXME|XXX)\b' "$file" || true
    done
}

# Two slashes outside strings, character constants and block comments. Columns: 100 for code, which clang-format keeps,
# 132 for comments.
comments() {
    c_files | while IFS= read -r file; do
        awk -v file="$file" '
            {
                if (length($0) > 132)
                    printf "%s:%d: %d columns\n", file, FNR, length($0)
                line = $0
                for (i = 1; i <= length(line); i++) {
                    c = substr(line, i, 1)
                    two = substr(line, i, 2)
                    if (block) {
                        if (two == "*/") { block = 0; i++ }
                    } else if (quote != "") {
                        if (c == "\\") i++
                        else if (c == quote) quote = ""
                    } else if (two == "/*") { block = 1; i++ }
                    else if (two == "//") {
                        printf "%s:%d: a // comment\n", file, FNR
                        break
                    } else if (c == "\"" || c == "\047") quote = c
                }
                quote = ""
            }' "$file"
    done
}

{
    licence
    blanks
    unfinished
    comments
} | verdict
