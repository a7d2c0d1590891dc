"""Reading a guest's console log, which virtlogd keeps as one file and a few older ones."""

from pathlib import Path

# virtlogd's default keeps 3 older files of 2 MiB; no caller needs more than this much of the end.
_MOST_BYTES = 1 << 20


def tail(path: Path, line_count: int | None) -> str:
    """The last `line_count` lines (None: all that is kept, at most 1 MiB); bytes that are no UTF-8 are replaced."""
    if line_count is not None and line_count <= 0:
        return ""
    data = b""
    for name in (path.name, f"{path.name}.0"):
        data = _end(path.with_name(name), _MOST_BYTES - len(data)) + data
        if len(data) >= _MOST_BYTES or (line_count is not None and data.count(b"\n") > line_count):
            break
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
    if line_count is None:
        return text
    return "".join(text.splitlines(keepends=True)[-line_count:])


def _end(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - most_bytes))
            return log.read(most_bytes)
    except FileNotFoundError:
        return b""
