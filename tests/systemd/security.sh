#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The unit's exposure, as systemd-analyze counts it without a running systemd, is at most 1.0: security.sh UNIT-FILE
set -euo pipefail

if ! command -v systemd-analyze >/dev/null; then
    echo 'SKIPPED: systemd-analyze is not there'
    exit 77
fi
systemd-analyze security --no-pager --offline=yes --threshold=10 "$1"
