# SPDX-License-Identifier: Apache-2.0
# Turns each line into a C string literal.
s/[\\"]/\\&/g
s/^/"/
s/$/\\n"/
