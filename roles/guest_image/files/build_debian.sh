#!/bin/bash
# Builds the full guest, DIRECTORY/debian.qcow2: a Debian with cloud-init, for a user `debian` who may use sudo.
#
# usage: build_debian.sh DIRECTORY KERNEL_PACKAGE SIZE_MIB RELEASE PACKAGE,PACKAGE…
# Prints "built" or "unchanged". Needs root and packages that roles/guest_image installs.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=disk.sh
. "$here/disk.sh"
# shellcheck source=image.sh
. "$here/image.sh"

directory=$1 kernel_package=$2 size_mib=$3 release=$4 packages=$5
lock_directory "$directory"
image=$directory/debian.qcow2

# Debian's own archives as this machine's apt knows them; an image is no place for what else the machine installs from.
debian_sources() {
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
        awk -v release="$release" '$1 == "Debian" && $2 ~ "^" release "(-updates|-security)?$" { print "deb", $3, $2, $4 }'
}

# The machine's way to the packages: proxies, certificates, checks.
apt_settings() {
    apt-config dump --format '%f "%v";%n' | grep -iE '^Acquire::(.*proxy|.*timeout|retries|check-|https?::)' || true
}

sources=$(debian_sources)
if [[ -z $sources ]]; then
    echo "build_debian: this machine's apt has no archive of Debian $release: add one, or set guest_image_debian_release to what it has" >&2
    exit 1
fi

# The versions of what changes most stand for all the others.
versions=$(apt-cache show --no-all-versions "$kernel_package" systemd libc6 libssl3 openssh-server cloud-init | sed -n 's/^\(Package\|Version\): //p')
digest=$(echo "$size_mib $kernel_package $packages $sources $versions" | digest_of_inputs "$here"/{build_debian,disk,image}.sh "$here/debian")
if image_is_current "$image" "$digest"; then
    echo unchanged
    exit 0
fi

work=$(mktemp --directory --tmpdir="$directory" .debian-build.XXXXXX)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
cache=$directory/packages/debian
mkdir -p "$tree" "$cache"
apt_settings >"$work/apt.conf"

# The files of this role come before the packages: the kernel's initramfs is made by what they say. Packages are links to the cache.
mmdebstrap --quiet --mode=root --variant=minbase --include="$kernel_package,$packages" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --aptopt="$work/apt.conf" \
    --aptopt='Binary::apt::APT::Keep-Downloaded-Packages "true"' --dpkgopt=force-unsafe-io --dpkgopt=force-confold \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*/*' \
    --skip=download/empty,cleanup/apt \
    --setup-hook="mkdir -p \"\$1/var/cache/apt/archives\"; find '$cache' -name '*.deb' -exec cp --link -t \"\$1/var/cache/apt/archives\" {} +" \
    --essential-hook="cp -r --no-preserve=ownership '$here/debian/.' \"\$1/\"" \
    --customize-hook="rm -f '$cache'/*.deb; cp --link \"\$1\"/var/cache/apt/archives/*.deb '$cache'" \
    "$release" "$tree" - <<<"$sources" >&2

# What is of the machine that built it, or must be each guest's own, has no place in an image.
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/*.log "$tree"/var/log/apt/* "$tree"/var/lib/dbus/machine-id \
    "$tree"/etc/ssh/ssh_host_* "$tree/etc/hostname" "$tree/etc/apt/apt.conf.d/99mmdebstrap" "$tree/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
: >"$tree/etc/machine-id"
ln -sfn ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
chroot "$tree" systemctl --quiet enable systemd-networkd.service systemd-resolved.service
# Of use on LVM alone, and slow.
chroot "$tree" systemctl --quiet mask e2scrub_reap.service e2scrub_all.timer
chroot "$tree" passwd --quiet --lock root

write_boot_configuration "$tree" /vmlinuz /initrd.img quiet
printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$disk_filesystem_uuid" >"$tree/etc/fstab"
make_disk "$tree" "$work/disk.raw" "$size_mib"
publish_image "$work/disk.raw" "$image" "$digest"
echo built
