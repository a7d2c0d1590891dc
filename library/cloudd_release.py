#!/usr/bin/python
"""Module `cloudd_release`: one version of cloudd in its own directory, and the link that says which one runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudd_release
short_description: Installs a version of cloudd from its wheelhouse and makes it the current one
description:
  - Each version is a virtual environment of its own; O(directory)/C(current) is a link to one of them.
  - So the way back is the same as the way on.
  - Needs no package index. The archive is brought to the host only when the version is not installed there yet.
options:
  version:
    description: The version to run.
    type: str
    required: true
  archive:
    description: The wheelhouse of that version, a tar on the deployment host.
    type: path
  directory:
    description: Where versions are installed.
    type: path
    default: /opt/cloudd
  python:
    description: The interpreter of the virtual environment.
    type: path
    default: /usr/bin/python3
  kept:
    description: How many versions stay beside the current one.
    type: int
    default: 1
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Install cloudd
  cloudd_release:
    version: 0.1.0+4403b513fb
    archive: "{{ wheelhouse_archive_path }}"
"""

RETURN = r"""
previous:
  description: The version that was current before; empty when there was none.
  type: str
  returned: always
removed:
  description: Versions that were removed.
  type: list
  returned: always
"""

import os
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "version": {"type": "str", "required": True},
    "archive": {"type": "path"},
    "directory": {"type": "path", "default": "/opt/cloudd"},
    "python": {"type": "path", "default": "/usr/bin/python3"},
    "kept": {"type": "int", "default": 1},
}

# Written last, so that a version whose installation was cut off counts as not installed.
COMPLETE = ".complete"


def installed(directory: Path) -> list:
    """Complete versions, the latest installed last."""
    found = [path.parent for path in directory.glob(f"*/{COMPLETE}")]
    return [path.name for path in sorted(found, key=lambda path: (path / COMPLETE).stat().st_mtime) if not path.is_symlink()]


def surplus(versions: list, current: str, kept: int) -> list:
    """The versions to remove: all but the current one and the latest `kept` others."""
    others = [version for version in versions if version != current]
    return others[: max(0, len(others) - kept)]


def switch(directory: Path, version: str) -> None:
    """Point the link at a version in one step."""
    scratch = directory / ".current.new"
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(version)
    scratch.replace(directory / "current")


def install(module, home: Path, archive: Path, python: str) -> None:
    """Make the virtual environment at its final place (it is bound to it)."""
    home.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home, ignore_errors=True)
    flags = ["--quiet", "--offline", "--no-cache", "--no-config"]
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".wheelhouse-") as scratch:
        module.run_command(["tar", "--extract", "--no-same-owner", "--file", str(archive), "--directory", scratch], check_rc=True)
        uv = f"{scratch}/uv"
        module.run_command([uv, "venv", *flags, "--python", python, str(home)], check_rc=True)
        pip = [uv, "pip", "install", *flags, "--no-index", "--no-deps", "--python", str(home / "bin/python")]
        module.run_command([*pip, "--find-links", f"{scratch}/wheels", "--requirement", f"{scratch}/requirements.txt"], check_rc=True)
    (home / COMPLETE).touch()


def main() -> None:
    """Install, switch, tidy up."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    version, directory = module.params["version"], Path(module.params["directory"])
    link = directory / "current"
    previous = Path(os.readlink(link)).name if link.is_symlink() else ""
    versions = installed(directory)
    missing = version not in versions
    removed = surplus([*versions, *([version] if missing else [])], version, module.params["kept"])
    if missing and not module.params["archive"] and not module.check_mode:
        # The action plugin brings the archive then, and calls again.
        module.exit_json(changed=True, archive_needed=True, previous=previous, removed=[])
    changed = missing or previous != version or bool(removed)
    if not module.check_mode:
        if missing:
            install(module, directory / version, Path(module.params["archive"]), module.params["python"])
        if previous != version:
            switch(directory, version)
        for name in removed:
            shutil.rmtree(directory / name)
    module.exit_json(changed=changed, previous=previous, removed=removed)


if __name__ == "__main__":
    main()
