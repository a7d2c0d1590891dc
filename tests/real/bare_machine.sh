#!/usr/bin/env bash
# Proves the README's first command on a machine that has nothing of ours: a minimal Debian with git, in a root and namespaces of its own.
# usage: bare_machine.sh [COMMAND…]     run as root; COMMAND runs in a fresh clone of this repository's HEAD (default: quickstart, and a client)
# It shares this machine's kernel and network, so no lab of the same index may live beside. All that it makes is gone when it ends.
# MIRROR says where Debian's packages come from.
set -euo pipefail

repository=$(cd -- "$(dirname -- "$(readlink -f -- "$0")")/../.." && pwd)
# Overlays, which lab hosts stand on, want a real file system below: /tmp may be memory.
root=${BARE_MACHINE_ROOT:-$(mktemp --directory /var/tmp/bare-machine.XXXXXX)}
# How the network is reached is no property of the machine: proxies and package indexes.
network_settings="^(https?_proxy|no_proxy|PIP_INDEX_URL|UV_DEFAULT_INDEX)="

build_root() {
    echo "bare machine: building its root"
    mmdebstrap --quiet --variant=minbase --include=git,ca-certificates bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}"
    chmod 0755 "$root"
    cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
}

# Runs in a mount and a PID namespace: mounts and processes end with it, whatever happens.
inside() {
    mount --make-rprivate /
    mount --bind "$root" "$root"
    local name
    for name in dev sys; do mount --rbind "/$name" "$root/$name"; done
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root/run/repository"
    mount --bind -o ro "$repository" "$root/run/repository"
    cd "$root"
    pivot_root . mnt
    umount --lazy /mnt
    mapfile -t environment < <(env | grep -iE "$network_settings")
    # shellcheck disable=SC2016  # the inner shell expands it
    # No locale, no terminal, nothing but what a first login has.
    exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${environment[@]}" \
        bash -euc 'cd /root
            git clone --quiet /run/repository cloud
            cd cloud
            trap "./cloudctl lab down lab-all-in-one </dev/null" EXIT
            began=$SECONDS
            "$@" </dev/null
            echo "bare machine: $* took $((SECONDS - began)) s"' bash "$@"
}

if [[ ${1:-} == --inside ]]; then
    shift
    inside "$@"
fi
[[ $EUID == 0 ]] || { echo "bare_machine.sh: needs root" >&2; exit 1; }
trap 'rm -rf --one-file-system "$root"' EXIT
(($#)) || set -- bash -c './cloudctl quickstart && .venv/bin/openstack --os-cloud quickstart server list'
build_root
BARE_MACHINE_ROOT=$root unshare --mount --pid --fork --kill-child "$0" --inside "$@"
