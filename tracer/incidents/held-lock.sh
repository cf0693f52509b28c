#!/usr/bin/env bash
# Incident: a job takes a lock and keeps it while it works; a program that needs the lock for each request waits.
#   usage:     held-lock.sh [SECONDS]
#   named by:  stuck-call, flock
set -euo pipefail
seconds=${1:-30}
dir=$(mktemp -d)
worker=''
clean() {
    [[ -z $worker ]] || kill -KILL "$worker" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap clean EXIT

python3 - "$dir/lock" <<'PYTHON' &
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
while True:
    fcntl.flock(lock, fcntl.LOCK_EX)
    fcntl.flock(lock, fcntl.LOCK_UN)
    time.sleep(0.005)
PYTHON
worker=$!
disown
while [[ ! -e $dir/lock ]]; do sleep 0.05; done
sleep 2
echo begun
flock "$dir/lock" sleep "$seconds"
