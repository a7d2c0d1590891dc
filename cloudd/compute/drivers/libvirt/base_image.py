"""The images that a host's disks stand on: which of them do, found in the disks' own headers."""

import contextlib
import struct
from pathlib import Path

#: below the directory of the instances' files
BASE_DIRECTORY = "_base"
_QCOW2 = b"QFI\xfb"
_LONGEST_NAME = 1023


def bases_in_use(directory: Path) -> set[Path]:
    """The files that a disk of any server in the directory of instances' files stands on; disks that are just being made count too."""
    found: set[Path] = set()
    for disk in directory.glob("*/*.qcow2*"):
        # It may go while we look.
        with contextlib.suppress(FileNotFoundError):
            if (name := backing_name(disk)) is not None:
                found.add(disk.parent / name)
    return found


def backing_name(disk: Path) -> str | None:
    """The backing file that a qcow2 file names in its header, as it is written there; None where it stands alone."""
    with disk.open("rb") as file:
        head = file.read(20)
        if len(head) < 20 or head[:4] != _QCOW2:
            return None
        offset, length = struct.unpack(">QI", head[8:20])
        if not offset or length > _LONGEST_NAME:
            return None
        file.seek(offset)
        return file.read(length).decode(errors="surrogateescape")
