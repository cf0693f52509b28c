#!/usr/bin/env bash
# Incident: a log that fills its disk. The program goes on; its lines are lost.
#   usage, as root:  full-disk.sh [SECONDS]
#   named by:        disk-full, write
set -euo pipefail
seconds=${1:-30}
dir=$(mktemp -d)
trap 'umount "$dir" 2>/dev/null || true; rmdir "$dir"' EXIT
mount -t tmpfs -o size=1m full-disk "$dir"
echo begun
timeout "$seconds" python3 - "$dir/log" <<'PYTHON' || [[ $? -eq 124 ]]
import os, sys, time
log = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
while True:
    try:
        os.write(log, b"a line of a log\n" * 1000)
    except OSError:
        pass
    time.sleep(0.01)
PYTHON
