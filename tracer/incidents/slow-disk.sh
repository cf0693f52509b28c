#!/usr/bin/env bash
# Incident: a program that syncs after each record, on a disk that manages twenty writes a second.
# The disk is an ext4 in a file behind a loop device, slowed down by the kernel's own I/O limits (cgroup).
#   usage, as root:  slow-disk.sh [SECONDS]
#   named by:        sync-in-hot-path, fsync
set -euo pipefail
seconds=${1:-30}
dir=$(mktemp -d)
loop='' group=''
clean() {
    [[ -z $group ]] || echo $$ >"${group%/*}/cgroup.procs" || true
    umount "$dir/disk" 2>/dev/null || true
    [[ -z $loop ]] || losetup --detach "$loop" || true
    [[ -z $group ]] || rmdir "$group" || true
    rm -rf "$dir"
}
trap clean EXIT

truncate --size 64M "$dir/image"
loop=$(losetup --find --show "$dir/image")
mkfs.ext4 -q "$loop"
mkdir "$dir/disk"
mount "$loop" "$dir/disk"
device=$(tr -d ' ' <"/sys/block/${loop#/dev/}/dev")
if [[ -e /sys/fs/cgroup/blkio/blkio.throttle.write_iops_device ]]; then
    group=/sys/fs/cgroup/blkio/slow-disk.$$
    mkdir "$group"
    echo "$device 20" >"$group/blkio.throttle.write_iops_device"
elif grep -qw io /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    echo +io >/sys/fs/cgroup/cgroup.subtree_control
    group=/sys/fs/cgroup/slow-disk.$$
    mkdir "$group"
    echo "$device wiops=20" >"$group/io.max"
else
    echo 'no I/O limits in this kernel (cgroup blkio or io): cannot slow a disk down' >&2
    exit 1
fi
echo $$ >"$group/cgroup.procs"
echo begun
timeout "$seconds" python3 - "$dir/disk/journal" <<'PYTHON' || [[ $? -eq 124 ]]
import os, sys
journal = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
while True:
    os.write(journal, b"a record of some length" * 100)
    os.fsync(journal)
PYTHON
