#!/usr/bin/env bash
# Incident: a server that answered at once until it is stopped (SIGSTOP). Its connections stay open, so its client
# gets no error: it waits.
#   usage:     silent-peer.sh [SECONDS]
#   named by:  stuck-call, recvfrom
set -euo pipefail
seconds=${1:-30}
dir=$(mktemp -d)
server='' client=''
clean() {
    for pid in $server $client; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap clean EXIT

python3 - "$dir/socket" <<'PYTHON' &
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
connection, _ = listening.accept()
while request := connection.recv(64):
    connection.sendall(b"answer")
PYTHON
server=$!
disown
while [[ ! -S $dir/socket ]]; do sleep 0.05; done
python3 - "$dir/socket" <<'PYTHON' &
import socket, sys, time
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
while True:
    connection.sendall(b"question")
    connection.recv(64)
    time.sleep(0.002)
PYTHON
client=$!
disown
sleep 4
kill -STOP "$server"
echo begun
sleep "$seconds"
