"""Whether an image's content is what its disk_format claims, found while the bytes stream by."""

from collections.abc import Callable
from typing import IO, Any, cast

from oslo_utils.imageutils import format_inspector

from cloudd.image.errors import ContentMismatch, UnsafeContent

#: What the inspector may find behind each claim. A raw disk may carry a partition table, a boot CD's layout or LUKS; anything that
#: a tool which guesses formats would take for a container of references must not pass as raw.
_ACCEPTABLE = {
    "raw": {"raw", "gpt", "iso", "luks"},
    "ami": {"raw", "gpt"},
    "ari": {"raw", "gpt"},
    "aki": {"raw", "gpt"},
    "iso": {"iso"},
    "qcow2": {"qcow2"},
    "vmdk": {"vmdk"},
    "vdi": {"vdi"},
    "vhd": {"vhd"},
    "vhdx": {"vhdx"},
}
DISK_FORMATS = tuple(_ACCEPTABLE)
#: Matches that say nothing against another one: a bootable ISO holds a partition table too.
_BESIDE = {"iso": {"gpt"}, "gpt": {"iso"}}
#: Containers that are a disk as it is; the others are archives, and no disk format shows in them.
DISK_CONTAINERS = frozenset({"bare", "ami", "ari", "aki"})


class _Pending:
    """The source that the inspectors read: the chunk that is just passing."""

    chunk = b""

    def read(self, _: int) -> bytes:
        return self.chunk


class Inspection:
    """Feed it the content in order; `finish` gives the virtual size in bytes, or raises ContentMismatch or UnsafeContent.

    A content that cannot be what it claims is refused by `feed` already, as soon as its header has passed.
    """

    def __init__(self, disk_format: str, container_format: str) -> None:
        self.claimed = disk_format
        self.size_bytes = 0
        self._source = _Pending()
        self._wrapper: Any = None
        if container_format in DISK_CONTAINERS:
            expected = None if "raw" in _ACCEPTABLE[disk_format] else disk_format
            self._wrapper = format_inspector.InspectWrapper(cast(IO[bytes], self._source), expected_format=expected)

    def feed(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self._wrapper is not None:
            self._source.chunk = chunk
            self._guard(lambda: self._wrapper.read(len(chunk)))

    def finish(self) -> int | None:
        """The disk's size as a guest sees it; None for archives."""
        if self._wrapper is None:
            return None
        self._wrapper.close()
        found = {str(inspector): inspector for inspector in self._guard(lambda: self._wrapper.formats) or []}
        acceptable = _ACCEPTABLE[self.claimed]
        matches = sorted(acceptable & set(found))
        if not matches or set(found) - acceptable - _BESIDE.get(matches[0], set()):
            raise ContentMismatch(claimed=self.claimed, reason=f"it looks like {' and '.join(sorted(found)) or 'nothing known'}")
        if "raw" in acceptable:
            # Any bytes are a raw disk; nobody follows references in it.
            return self.size_bytes
        inspector = found[matches[0]]
        self._guard(inspector.safety_check)
        return int(self._guard(lambda: inspector.virtual_size)) or self.size_bytes

    def _guard(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except format_inspector.SafetyCheckFailed as error:
            reasons = "; ".join(str(failure) for failure in error.failures.values())
            raise UnsafeContent(claimed=self.claimed, reason=reasons) from None
        except Exception as error:
            # The inspectors raise whatever their parsing runs into; each means that the content is not of the format.
            raise ContentMismatch(claimed=self.claimed, reason=str(error) or type(error).__name__) from None
