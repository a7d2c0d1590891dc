# shellcheck shell=bash
# Fetches Debian packages from the mirrors this machine's apt knows, and unpacks them without installing anything.

# The packages named, the libraries they need, and the kernel behind a kernel's meta package; one name a line.
# Anything else a package depends on (debconf, dpkg, …) only serves its installation, which never happens here.
packages_with_libraries() {
    {
        printf '%s\n' "$@"
        apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
            grep -E '^(lib|zlib|linux-image-[0-9])[a-z0-9.+-]*$'
    } | sort -u
}

# "file hash" of each package named, as apt would fetch it, whatever the mirror.
package_files() {
    apt-get download --print-uris "$@" | awk '{print $2, $4}' | sort
}

# Fetches the packages named into directory $1 and removes every other from it; what is there already is not fetched again.
# Standard input: what package_files says of them.
fetch_packages() {
    local directory=$1
    shift
    mkdir -p "$directory"
    (
        cd "$directory"
        comm -13 <(cut -d' ' -f1) <(find . -maxdepth 1 -name '*.deb' -printf '%f\n' | sort) | xargs -r rm -f --
        apt-get -qq -o APT::Sandbox::User=root download "$@"
    ) >&2
}

# Unpacks every package of directory $1 into directory $2, which gets Debian's merged /usr first.
unpack_packages() {
    local name
    mkdir -p "$2"/usr/{bin,sbin,lib,lib64}
    for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$2/$name"; done
    # The largest first: the kernel takes as long as all the others together.
    find "$1" -name '*.deb' -printf '%s %p\0' | sort -zrn | cut -zd' ' -f2- | xargs -0 -P 2 -I {} bash -c \
        'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar --extract --directory "$2" --keep-directory-symlink \
            --exclude ./usr/share/doc --exclude ./usr/share/man --exclude ./usr/share/locale' unpack {} "$2"
}

# Copies program $3 of tree $1 to the same path in tree $2, with the libraries it loads.
copy_program() {
    local from=$1 to=$2 program=$3 libraries=$1/usr/lib/x86_64-linux-gnu library
    install -D --mode=0755 "$from/$program" "$to/$program"
    "$libraries/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$libraries" --list "$from/$program" |
        sed -n 's/^.* => \(.*\) (0x[0-9a-f]*)$/\1/p' | { grep -v '/ld-linux' || true; } |
        while read -r library; do
            install -D --mode=0755 "$(readlink -f "$library")" "$to/usr/lib/x86_64-linux-gnu/$(basename "$library")"
        done
}
