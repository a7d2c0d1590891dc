# shellcheck shell=bash
# Keeps a finished image for as long as its inputs stay the same, and puts a new one in its place in one move.

# Waits until no other build works in directory $1, and keeps others waiting until this one ends.
lock_directory() {
    exec 9>"$1/.lock"
    flock 9
}

# Prints what stands for all inputs of an image: the files and directories named, and the text on standard input.
digest_of_inputs() {
    { cat; find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | cut -d' ' -f1; } | sha256sum | cut -d' ' -f1
}

# Succeeds where image $1 is there and was made from inputs of digest $2.
image_is_current() {
    [[ -s $1 && $(cat "${1%.qcow2}.inputs" 2>/dev/null) == "$2" ]]
}

# Turns the raw disk $1 into the image $2, made from inputs of digest $3. Readers see the old image or the new one, never half of one.
publish_image() {
    qemu-img convert -f raw -O qcow2 "$1" "$2.new"
    rm -f "${2%.qcow2}.inputs"
    mv "$2.new" "$2"
    echo "$3" >"${2%.qcow2}.inputs"
}
