#!/bin/bash
# `make image`: builds the cpu image and runs the demo in it as a robot would: another user, a read-only root, no
# capabilities. With docker or, where there is none, buildah and root; says what it took.
#   SUITE=bookworm|noble  where no registry can be reached, the base is made of that suite by debootstrap
#   BASE=IMAGE            another base, as debian:bookworm-slim
#   IMAGE_ARGS=…          more arguments of the build: a local package index, a proxy
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suite=${SUITE:-bookworm} name=${NAME:-dgemma_ros:cpu} base=${BASE:-} work=$(mktemp -d)
read -ra more <<< "${IMAGE_ARGS:-}"
store=(--storage-driver vfs)
trap 'rm -rf "$work"' EXIT
say() { echo "image: $*" >&2; }

make_base() {
    case $suite in
    noble) mirror=http://archive.ubuntu.com/ubuntu script=gutsy extra=(--components=main,universe) ;;
    *) mirror=http://deb.debian.org/debian script=$suite extra=() ;;
    esac
    # Without Ubuntu's keyring at hand its signature is not checked: for trying, not for a robot.
    [ "$suite" = bookworm ] || extra+=(--no-check-gpg)
    root=${ROOTFS:-$work/root}
    [ -d "$root" ] || debootstrap --variant=minbase "${extra[@]}" "$suite" "$root" "$mirror" "$script" > "$work/log" \
        || { tail -3 "$work/log" >&2; exit 1; }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    base=localhost/base:$suite
    if [ "$tool" = docker ]; then
        tar -C "$root" -c . | docker import - "$base" > /dev/null
        return
    fi
    container=$(buildah from "${store[@]}" scratch)
    buildah add -q "${store[@]}" "$container" "$root" / > /dev/null
    buildah commit -q "${store[@]}" --rm "$container" "$base" > /dev/null
}

arguments=(--build-arg ROS=pypi --build-arg VARIANT=cpu --build-arg "REVISION=$(git describe --always --dirty 2> /dev/null || echo unknown)")
began=$SECONDS
if command -v docker > /dev/null && docker info > /dev/null 2>&1; then
    tool=docker
    if [ -z "$base" ]; then
        base=$([ "$suite" = noble ] && echo ubuntu:24.04 || echo "debian:$suite-slim")
        docker pull -q "$base" > /dev/null 2>&1 || make_base
    fi
    say "base $base after $((SECONDS - began)) s"
    DOCKER_BUILDKIT=1 docker build -q -f docker/Dockerfile "${arguments[@]}" --build-arg "BASE=$base" "${more[@]}" -t "$name" . > /dev/null
    size=$(docker image inspect -f '{{.Size}}' "$name")
    say "$name: $((size / 1000000)) MB, built in $((SECONDS - began)) s"
    docker run --rm --init --network none --read-only --tmpfs /tmp --shm-size=1g --cap-drop=ALL --security-opt=no-new-privileges \
        --user 10001:10001 "$name" python -m dgemma_ros.nodes.demo
elif command -v buildah > /dev/null; then
    tool=buildah
    [ -n "$base" ] || make_base
    say "base $base after $((SECONDS - began)) s"
    buildah bud -q "${store[@]}" --isolation chroot --network host --format docker -f docker/Dockerfile "${arguments[@]}" \
        --build-arg "BASE=$base" "${more[@]}" -t "$name" .
    container=$(buildah from "${store[@]}" "$name")
    root=$(buildah mount "${store[@]}" "$container")
    trap 'buildah rm "${store[@]}" "$container" > /dev/null; rm -rf "$work"' EXIT
    size=$(du -sx --block-size=1000000 "$root" | cut -f1)
    say "$name: $size MB, built in $((SECONDS - began)) s"
    ENV=$(buildah inspect "${store[@]}" --type image --format '{{range .OCIv1.Config.Env}}{{.}} {{end}}' "$name") \
        docker/run-locked.sh "$root" python -m dgemma_ros.nodes.demo
else
    echo "image: neither docker nor buildah is here; apt install buildah debootstrap" >&2
    exit 2
fi
