#!/usr/bin/env bash
# Incident: a program that looks for a file with each request, in every directory of its search path, and finds
# it nowhere.
#   usage:     missing-file.sh [SECONDS]
#   named by:  search-storm, newfstatat
set -euo pipefail
seconds=${1:-30}
echo begun
timeout "$seconds" python3 - <<'PYTHON' || [[ $? -eq 124 ]]
import os, time
while True:
    for directory in ("/etc/app", "/usr/local/etc/app", "/opt/app/etc", "/usr/share/app", "/var/lib/app"):
        if os.path.exists(directory + "/mime.types"):
            break
    time.sleep(0.0005)
PYTHON
