# shellcheck shell=bash
# Makes a bootable disk image out of a directory, as a plain file: no loop device, no mount, no privilege beyond file owners.

disk_start_sector=2048 # of 512 bytes: room for the boot loader before the one partition
disk_filesystem_uuid=6b0c7a3e-2f64-4d0c-9d3f-0c5d9a1e7b52

# Writes directory $1 as ext4 into the raw disk $2 of $3 MiB, behind an MBR with GRUB, which reads /boot/grub/grub.cfg.
# The MBR lets a BIOS boot it from any disk bus, and lets the partition grow by a change of one number.
make_disk() {
    local tree=$1 disk=$2 size_mib=$3 work
    work=$(mktemp --directory)
    printf 'search --fs-uuid --set=root %s\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' "$disk_filesystem_uuid" >"$work/early.cfg"
    grub-mkimage --format=i386-pc --output="$work/core.img" --config="$work/early.cfg" --prefix=/boot/grub \
        biosdisk part_msdos ext2 search search_fs_uuid configfile normal linux linux16 echo test

    rm -f "$disk"
    truncate --size="${size_mib}M" "$disk"
    printf 'label: dos\nstart=%s, type=83, bootable\n' "$disk_start_sector" | sfdisk --quiet "$disk"
    # Only the first 440 bytes of the boot sector are code; the partition table follows. The loader itself starts at sector 1.
    dd if=/usr/lib/grub/i386-pc/boot.img of="$disk" bs=440 count=1 conv=notrunc status=none
    dd if="$work/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none
    mke2fs -q -F -t ext4 -b 4096 -i 16384 -m 1 -L root -U "$disk_filesystem_uuid" \
        -E "offset=$((disk_start_sector * 512)),hash_seed=$disk_filesystem_uuid,lazy_itable_init=1,nodiscard" \
        -d "$tree" "$disk" $(((size_mib * 2048 - disk_start_sector) / 8))
    rm -rf "$work"
}

# Writes what GRUB does to tree $1: boot kernel $2 with initramfs $3 and the further options in $4, console on the first serial port.
#
# "linux16", the 16-bit boot protocol: with the 32-bit one GRUB first copies the kernel's whole run-time buffer byte by byte, which
# under emulation takes longer than all that follows.
write_boot_configuration() {
    mkdir -p "$1/boot/grub"
    cat >"$1/boot/grub/grub.cfg" <<EOF
search --fs-uuid --set=root $disk_filesystem_uuid
linux16 $2 root=UUID=$disk_filesystem_uuid console=tty1 console=ttyS0,115200 $4
initrd16 $3
boot
EOF
}
