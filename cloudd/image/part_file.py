"""Files that are still coming in: locked by whoever writes them, so that what a killed writer left is known and can go."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cloudd.kit.durable import sync_directory

PART = ".part"
FILE_MODE = 0o644


@contextlib.contextmanager
def part_file(final: Path) -> Iterator[BinaryIO]:
    """An empty `<final>.part` to write; it becomes `final`, durably, when the block ends well, and vanishes otherwise.

    BlockingIOError while another writer, in this process or another, is at the same file.
    """
    part = final.with_name(final.name + PART)
    file = _locked(part)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), FILE_MODE)
        part.replace(final)
        sync_directory(final.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        file.close()


def _locked(part: Path) -> BinaryIO:
    while True:
        # Neither truncated nor in append mode: it may be another's until it is locked, and holes are made by seeking.
        file = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A sweep, or the end of another writer, may have taken the name away between the two lines above.
            is_ours = part.exists() and os.fstat(file.fileno()).st_ino == part.stat().st_ino
        except BaseException:
            file.close()
            raise
        if is_ours:
            file.truncate(0)
            return file
        file.close()


def sweep(directory: Path) -> int:
    """Remove the part files that nobody writes any more; how many there were."""
    removed = 0
    for part in directory.glob(f"*{PART}"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
            removed += 1
    return removed
