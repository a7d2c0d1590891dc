"""Writes docs/reference from the code: ``python -m tests.reference``; a test holds the files to it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec

from cloudd import assembly
from cloudd.kit import errors, settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def settings_page() -> str:
    """Every section and option: name, type, default, meaning."""
    lines = ["# Settings", "", "The sections of `/etc/cloudd/cloudd.yaml`. An unknown key refuses to start.", ""]
    for name, kind in sorted(settings.sections().items()):
        lines += [f"## {name}", "", "| option | type | default | meaning |", "|---|---|---|---|"]
        notes = _notes(kind)
        for field in msgspec.structs.fields(kind):
            kept = field.type.__name__ if isinstance(field.type, type) and not hasattr(field.type, "__args__") else str(field.type)
            default = "required" if field.required else f"`{field.default!r}`" if field.default is not msgspec.NODEFAULT else "empty"
            lines.append(f"| {field.name} | {kept.replace('|', 'or')} | {default} | {notes.get(field.name, '')} |")
        lines.append("")
    return "\n".join(lines)


def _notes(kind: type) -> dict[str, str]:
    """The ``#:`` comments above a struct's fields."""
    found: dict[str, str] = {}
    note: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        if match := re.match(r"\s+#: ?(.*)", line):
            note.append(match[1])
        elif match := re.match(r"\s+(\w+):", line):
            found[match[1]] = " ".join(note)
            note = []
    return found


def errors_page() -> str:
    """Every error code: status and message."""
    lines = ["# Error codes", "", "What can go wrong by name; `{…}` is filled in.", "", "| code | status | message |", "|---|---|---|"]
    for code, kind in sorted(errors.all_conditions().items()):
        if kind.__module__.startswith("cloudd."):
            lines.append(f"| {code} | {getattr(kind, 'status', '')} | {' '.join(kind.message.split()).replace('|', '¦')} |")
    return "\n".join([*lines, ""])


def policy_page(process: assembly.Process) -> str:
    """Every policy rule with its default."""
    lines = ["# Policy rules", "", "The defaults; `api.policy_path` names a file that overrides them.", ""]
    lines += ["| rule | default |", "|---|---|"]
    lines += [f"| {name} | `{text.replace('|', '¦')}` |" for name, text in sorted(process.policy.texts.items())]
    return "\n".join([*lines, ""])


def pages() -> dict[str, str]:
    """The reference by file name."""
    import tempfile

    from tests.conftest import settings_for

    with tempfile.TemporaryDirectory() as directory:
        process = assembly.Process(settings_for(Path(directory)))
    return {"settings.md": settings_page(), "errors.md": errors_page(), "policy.md": policy_page(process)}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
