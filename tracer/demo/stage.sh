#!/usr/bin/env bash
# Stages the incident of `tracer demo` with real programs and records it. As root:
#
#   tracer/demo/stage.sh TRACER OUT.arrows
#
# A PostgreSQL serves pgbench, a worker reads jobs from a Redis. A quarter in, the database's disk slows down to
# 40 writes a second (blkio throttle), as when a neighbour saturates it: every commit waits in fdatasync. Then
# a deployment makes the worker look for a translation on every line it writes, whose catalogue was not packaged:
# stat fails with ENOENT by the thousand. It is rolled back, and the disk recovers.
#
# Needs postgres, pgbench, redis-server, python3, runuser, and the blkio controller (cgroup v1).
set -euo pipefail

tracer=$(readlink -f "$1")
out=$(readlink -m "$2")
postgres=$(dirname "$(readlink -f "$(command -v postgres)")")
python=$(python3 -c 'import sys; print(sys.executable)')
work=$(mktemp -d /var/tmp/tracer-demo.XXXXXX)
group=/sys/fs/cgroup/blkio/tracer-demo
disk=$(lsblk -no PKNAME "$(findmnt -nT "$work" -o SOURCE)" | head -1)
device=$(cat "/sys/block/${disk:-$(basename "$(findmnt -nT "$work" -o SOURCE)")}/dev")
pids=()

finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    as_postgres "$postgres/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    sleep 1
    rmdir "$group" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

as_postgres() { (cd "$work" && runuser -u postgres -- "$@"); }
slow_down() { echo "$device $1" >"$group/blkio.throttle.write_iops_device"; }
mark() { "$tracer" mark "$out" "$1"; }

chmod 755 "$work"
install -d -o postgres "$work/data" "$work/run"
as_postgres "$postgres/initdb" -D "$work/data" -A trust >/dev/null
mkdir -p "$group"
as_postgres "$postgres/pg_ctl" -D "$work/data" -w -l "$work/run/log" \
    -o "-k $work/run -c listen_addresses= -c autovacuum=off" start >/dev/null
as_postgres "$postgres/pgbench" -h "$work/run" -i -q postgres 2>/dev/null
head -1 "$work/data/postmaster.pid" >"$group/cgroup.procs"

redis-server --port 0 --unixsocket "$work/redis" --save '' --daemonize no >/dev/null &
pids+=($!)
sleep 1

ln -s "$python" "$work/shop-worker"
cat >"$work/shop.py" <<'WORKER'
import gettext, signal, socket, sys, time

translated = False

def toggle(*_):
    global translated
    translated = not translated

signal.signal(signal.SIGUSR1, toggle)            # a deployment, or its roll back
redis = socket.socket(socket.AF_UNIX)
redis.connect(sys.argv[1])
languages = ["de_AT.UTF-8", "de_DE.UTF-8", "en_GB.UTF-8"]

def render(job):
    lines = ["order %d" % job, "total", "shipping", "tax", "thank you"]
    if translated:                               # its catalogue was not packaged
        lines = [gettext.translation("shop", languages=languages, fallback=True).gettext(l) for l in lines]
    return "\n".join(lines)

for job in range(1 << 30):
    redis.sendall(b"INCR jobs\r\n")
    redis.recv(64)
    render(job)
    time.sleep(0.01)
WORKER
"$work/shop-worker" "$work/shop.py" "$work/redis" &
worker=$!
pids+=("$worker")

cat >"$work/run/order.sql" <<'SQL'
\set id random(1, 100000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :id;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :id, 1, now());
COMMIT;
\sleep 6 ms
SQL
as_postgres "$postgres/pgbench" -h "$work/run" -n -c 2 -T 600 -f "$work/run/order.sql" postgres >/dev/null 2>&1 &
pids+=($!)
sleep 2

rm -f "$out"
"$tracer" record --comm postgres --comm shop-worker --comm redis-server -i 2s -d 48 -o "$out" &
recorder=$!
sleep 12
slow_down 40
sleep 8
mark 'deploy shop 2.1'
kill -USR1 "$worker"
sleep 12
mark 'roll back'
kill -USR1 "$worker"
sleep 8
slow_down 0
mark 'disk moved'
wait "$recorder"
chmod 644 "$out"
ls -l "$out"
