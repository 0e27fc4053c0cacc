#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs as root in the container that nspawn.sh boots; writes /check/result, whose last line is "done".
set -uo pipefail
exec >/check/result 2>&1

# check WHAT COMMAND…
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        printf 'ok %s\n' "$what"
    else
        printf 'FAILED %s: %s\n%s\n' "$what" "$*" "$output"
    fi
}

# await SECONDS COMMAND…: until it succeeds. systemd tells nobody here when a unit has changed, so it is asked.
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        read -rt 0.1 <> <(:) || true
    done
}

property() {
    systemctl show -P "$1" edged.service
}

# is PROPERTY VALUE
is() {
    local value
    value=$(property "$1")
    [ "$value" = "$2" ] || { printf '%s is %s\n' "$1" "$value" && false; }
}

# says PATTERN COMMAND…: whether its output has it.
says() {
    local pattern=$1 output
    shift
    output=$("$@" 2>&1)
    grep -Eq -- "$pattern" <<<"$output" || { printf '%s\n' "$output" && false; }
}

# as_user UID GROUPS COMMAND…
as_user() {
    local uid=$1 groups=$2
    shift 2
    setpriv --reuid="$uid" --regid="$uid" "$groups" -- "$@"
}

fails() {
    ! "$@"
}

restarted() {
    [ "$(property NRestarts)" -gt 0 ] && [ "$(property ActiveState)" = active ]
}

check 'the socket listens' systemctl is-active edged.socket
check 'its owner and mode' says '^socket root edged 660$' stat -c '%F %U %G %a' /run/edged/io.edged
check 'the daemon is not started yet' is ActiveState inactive

check 'the first connection starts it' edgectl status
check 'it is active' is ActiveState active
check 'systemctl status: ready' says 'Active: active \(running\)' systemctl --no-pager status edged
check 'systemctl status: status text' says 'Status: ".+"' systemctl --no-pager status edged
check 'it runs as edged' is User edged
check 'the network in the directory is loaded' says 'lenet300' edgectl list
check 'it infers' says '\b7\b' edgectl infer lenet300 --input /check/digit_7.png
check 'a member of the group may connect' as_user 4321 --groups=edged edgectl status
check 'a member may not unload' fails as_user 4321 --groups=edged edgectl unload lenet300
check 'another user may not connect' fails as_user 4321 --clear-groups edgectl status

check 'root may unload' edgectl unload lenet300
check 'the journal has its lines' says '"_COMM":"edged"' journalctl --no-pager -u edged -o json
check 'the journal has its fields' await 5 says '"EDGED_MODEL":"lenet300"' journalctl --no-pager -u edged -o json
check 'root may load' edgectl load /var/lib/edged/models/lenet300.edge
check 'exposure at most 1.0' systemd-analyze security --no-pager --threshold=10 edged.service

pid=$(property MainPID)
check 'it stays up while it feeds the watchdog' fails await 5 fails kill -0 "$pid"
check 'a stopped loop: SIGSTOP' kill -STOP "$pid"
check 'the watchdog restarts it' await 20 restarted
check 'it is another process' fails is MainPID "$pid"
check 'it answers again' edgectl status
check 'the restart was the watchdog' says 'watchdog' journalctl --no-pager -u edged

check 'systemctl stop' systemctl stop edged.service
check 'it ended well' is Result success
check 'it is stopped' is ActiveState inactive
check 'a connection starts it again' edgectl status
check 'systemctl stop, both' systemctl stop edged.socket edged.service
check 'the socket is gone' fails test -e /run/edged/io.edged
echo 'done'
