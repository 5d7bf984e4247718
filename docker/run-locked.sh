#!/bin/bash
# run-locked.sh ROOT COMMAND…: the command in an image's root as in a locked container, where there is no docker: the
# root is read-only, /tmp and /dev/shm are small file systems of its own, the user is 10001, without capabilities.
# ENV="NAME=VALUE …" is the image's environment; TMP=0 and SHM=SIZE leave out or shrink those file systems, to see what
# is said then.
set -euo pipefail
root=$1
shift
read -ra more <<< "${ENV:-}"
exec unshare --mount --pid --fork --ipc -- /bin/bash -euo pipefail -c '
root=$1 tmp=$2 shm=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root" && mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mkdir "$root/dev/shm" && mount -t tmpfs -o "mode=1777,size=$shm" tmpfs "$root/dev/shm"
[ "$tmp" = 0 ] || mount -t tmpfs -o mode=1777,size=256m tmpfs "$root/tmp"
exec chroot "$root" setpriv --reuid 10001 --regid 10001 --clear-groups --bounding-set -all --inh-caps -all \
    --no-new-privs -- env -i "$@"
' locked "$root" "${TMP:-1}" "${SHM:-1g}" "${more[@]}" /opt/dgemma/entrypoint "$@"
