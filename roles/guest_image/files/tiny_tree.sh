# shellcheck shell=bash
# Puts the tiny guest's files together, out of unpacked Debian packages and this role's own files.

# What finds the root disk on every bus that Debian's cloud kernel knows (virtio, virtio-scsi, IDE, NVMe); ext4 is part of the kernel.
initramfs_modules=(virtio_pci virtio_blk virtio_scsi sd_mod ata_piix nvme)
# What else a guest may be given: interfaces, file systems, and the tools of network and storage tests.
guest_modules=(
    virtio_net virtio_balloon virtio_console virtio_rng virtiofs 9p 9pnet_virtio evdev button sr_mod
    vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8 isofs xfs btrfs overlay loop dm_mod dm_crypt
    8021q bonding dummy veth tun vxlan bridge nf_tables e1000 e1000e vmxnet3
)

real_programs=(
    bin/bash bin/lsblk bin/mount bin/umount sbin/blkid sbin/mkfs sbin/wipefs bin/partx sbin/fdisk sbin/sfdisk sbin/blockdev
    sbin/mke2fs sbin/e2fsck sbin/resize2fs sbin/tune2fs sbin/dumpe2fs sbin/mkfs.fat
    bin/curl bin/jq bin/nc.openbsd bin/socat
    sbin/dropbear bin/dropbearkey bin/dbclient lib/openssh/sftp-server
)

# Copies the modules named (from $4 on), and those they need, of kernel $3 from tree $1 to tree $2.
copy_modules() {
    local from=$1 to=$2 release=$3 module file
    shift 3
    mkdir -p "$to/usr/lib/modules/$release"
    for module in "$@"; do
        modprobe --dirname="$from/usr" --set-version="$release" --show-depends --ignore-install "$module" 2>/dev/null || true
    done | sed -n 's/^insmod \(.*\.ko[.a-z]*\).*$/\1/p' | sort -u | while read -r file; do
        install -D --mode=0644 "$file" "$to/usr/lib/modules/$release/${file#*/modules/"$release"/}"
    done
    cp "$from/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$to/usr/lib/modules/$release/"
    depmod --basedir "$to/usr" "$release"
}

# Makes the initramfs $4 of kernel $3 out of tree $1 and the files of directory $2.
make_initramfs() {
    local debian=$1 files=$2 release=$3 archive=$4 tree=$4.tree
    depmod --basedir "$debian/usr" "$release"
    mkdir -p "$tree"/{bin,dev,proc,sys,root,usr/lib}
    ln -s usr/lib "$tree/lib"
    copy_modules "$debian" "$tree" "$release" "${initramfs_modules[@]}"
    install --mode=0755 "$debian/usr/bin/busybox" "$tree/bin/busybox"
    busybox_links "$tree/bin" "$tree/bin/busybox"
    install --mode=0755 "$files/init" "$tree/init"
    (cd "$tree" && find . -print0 | sort -z | cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) >"$archive"
}

# Gives directory $1 a link to busybox $2 for every command of its that is not there already.
busybox_links() {
    local applet
    for applet in $("$2" --list); do
        [[ -e $1/$applet ]] || ln -s busybox "$1/$applet"
    done
}

# Makes the root file system $4 of kernel $3 out of tree $1 and the files of directory $2.
make_tree() {
    local debian=$1 files=$2 release=$3 tree=$4 name program
    mkdir -p "$tree"/{boot/grub,dev,etc/dropbear,home,media,mnt,opt,proc,root,run,srv,sys,tmp,usr/bin,usr/lib/x86_64-linux-gnu,usr/lib64,var/lib,var/log,var/tmp}
    chmod 0700 "$tree/root"
    chmod 1777 "$tree/tmp" "$tree/var/tmp"
    # One directory for all programs: whoever calls /sbin/udhcpc or /bin/kill finds it.
    ln -s bin "$tree/usr/sbin"
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$tree/$name"; done
    ln -s ../run "$tree/var/run"
    ln -s ../proc/self/mounts "$tree/etc/mtab"

    cp -a "$files/." "$tree/"
    install --mode=0755 "$debian/usr/bin/busybox" "$tree/usr/bin/busybox"
    for program in "${real_programs[@]}"; do copy_program "$debian" "$tree" "usr/$program"; done
    cp "$debian/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" "$tree/usr/lib/x86_64-linux-gnu/"
    ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$tree/usr/lib64/"
    ln -s openssh/sftp-server "$tree/usr/lib/sftp-server"
    for name in ext2 ext3 ext4; do ln -s mke2fs "$tree/usr/bin/mkfs.$name"; ln -s e2fsck "$tree/usr/bin/fsck.$name"; done
    # Busybox's shell, which the guest's own scripts use because it starts fastest, prefers busybox's commands to the real ones.
    ln -s bash "$tree/usr/bin/sh"
    ln -s mkfs.fat "$tree/usr/bin/mkfs.vfat"
    cp "$debian/etc/mke2fs.conf" "$tree/etc/"
    ln -s busybox "$tree/usr/bin/init"
    busybox_links "$tree/usr/bin" "$tree/usr/bin/busybox"

    copy_modules "$debian" "$tree" "$release" "${initramfs_modules[@]}" "${guest_modules[@]}"
    chown -R 0:0 "$tree"
}

# Puts kernel $2 of tree $1 and the initramfs $3 into tree $4, with the boot loader's configuration.
install_kernel() {
    local debian=$1 release=$2 initramfs=$3 tree=$4
    cp "$debian/boot/vmlinuz-$release" "$tree/boot/vmlinuz"
    cp "$initramfs" "$tree/boot/initrd.img"
    write_boot_configuration "$tree" /boot/vmlinuz /boot/initrd.img quiet
}
