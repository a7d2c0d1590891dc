"""Where the repository keeps what the operator's command reads and writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ROOT / "playbooks"
INVENTORIES = ROOT / "inventory"
CACHE = ROOT / ".cache"
LOGS = CACHE / "log"
RUNNER = CACHE / "runner"
CLOUDS_YAML = ROOT / "clouds.yaml"


def search_path() -> str:
    """PATH with the tools of this environment before all others, whether or not it is activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def absolute(arguments: list[str], directory: Path) -> list[str]:
    """The arguments with every relative path that exists in `directory` made absolute, for a run from another directory.

    Understands `PATH`, `--flag=PATH` and `@PATH`; anything that names no file there is left as it is.
    """
    return [_absolute(argument, directory) for argument in arguments]


def _absolute(argument: str, directory: Path) -> str:
    flag, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    at = "@" if value.startswith("@") else ""
    path = value.removeprefix("@")
    if not path or path.startswith(("/", "-")) or not (directory / path).exists():
        return argument
    return f"{flag}{equals}{at}{directory / path}"
