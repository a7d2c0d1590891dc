#!/bin/bash
# Builds the tiny guest, DIRECTORY/tiny.qcow2: Debian's cloud kernel, busybox, dropbear and a few real tools.
#
# usage: build_tiny.sh DIRECTORY KERNEL_PACKAGE SIZE_MIB
# Prints "built" or "unchanged". Needs root (for the owners of the files in the image) and packages that roles/guest_image installs.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=packages.sh
. "$here/packages.sh"
# shellcheck source=disk.sh
. "$here/disk.sh"
# shellcheck source=image.sh
. "$here/image.sh"
# shellcheck source=tiny_tree.sh
. "$here/tiny_tree.sh"

directory=$1 kernel_meta_package=$2 size_mib=$3
lock_directory "$directory"
image=$directory/tiny.qcow2

mapfile -t packages < <(packages_with_libraries "$kernel_meta_package" busybox-static bash dropbear-bin openssh-sftp-server curl jq \
    util-linux mount fdisk e2fsprogs dosfstools netcat-openbsd socat libc6)
if [[ ${packages[*]} != *linux-image-[0-9]* ]]; then
    echo "build_tiny: apt knows no kernel behind $kernel_meta_package: run apt-get update, or set guest_image_kernel_package" >&2
    exit 1
fi

files=$(package_files "${packages[@]}")
digest=$(echo "$size_mib $files" | digest_of_inputs "$here"/{build_tiny,tiny_tree,packages,disk,image}.sh "$here/tiny")
if image_is_current "$image" "$digest"; then
    echo unchanged
    exit 0
fi

work=$(mktemp --directory --tmpdir="$directory" .tiny-build.XXXXXX)
trap 'rm -rf "$work"' EXIT
fetch_packages "$directory/packages/tiny" "${packages[@]}" <<<"$files"
unpack_packages "$directory/packages/tiny" "$work/debian"

release=$(basename "$work"/debian/usr/lib/modules/*)
make_initramfs "$work/debian" "$here/tiny/initramfs" "$release" "$work/initramfs"
make_tree "$work/debian" "$here/tiny/root" "$release" "$work/tree"
install_kernel "$work/debian" "$release" "$work/initramfs" "$work/tree"

make_disk "$work/tree" "$work/disk.raw" "$size_mib"
publish_image "$work/disk.raw" "$image" "$digest"
echo built
