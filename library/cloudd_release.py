#!/usr/bin/python
"""Module `cloudd_release`: one version of cloudd in its own directory, and the link that says which one runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudd_release
short_description: Installs a version of cloudd from its wheelhouse and makes it the current one
description:
  - Each version is a virtual environment of its own; O(directory)/C(current) is a link to one of them.
  - So the way back is the same as the way on.
  - An upgrade adds the link O(directory)/C(former) to the version before. While it is there, the host can go back.
  - Needs no package index. The archive is brought to the host only when the version is not installed there yet.
options:
  state:
    description:
      - With V(current), the version is installed and runs from the next start on.
      - With V(delivered), it is installed beside the one that runs, and nothing else.
      - With V(upgraded), it becomes the current one; the one before is remembered as the former, with the files it was run with.
      - With V(rolled_back), the former one and its files become the current ones again. Does nothing where there is no former one.
      - With V(finalized), there is no way back any more, and all versions but the current one go.
    type: str
    choices: [current, delivered, upgraded, rolled_back, finalized]
    default: current
  version:
    description: The version to run. Not used with V(rolled_back) and V(finalized).
    type: str
    default: ""
  files:
    description: Patterns of the files that belong to a version; they are kept for the way back.
    type: list
    elements: str
    default: [/etc/cloudd/cloudd.yaml, /etc/cloudd/worker.yaml, /etc/cloudd/agent.yaml, /etc/systemd/system/cloudd-*.service]
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

- name: Go back to the version before the upgrade
  cloudd_release:
    state: rolled_back
"""

RETURN = r"""
previous:
  description: The version that was current before; empty when there was none.
  type: str
  returned: always
current:
  description: The version that is current now.
  type: str
  returned: always
removed:
  description: Versions that were removed.
  type: list
  returned: always
written:
  description: The link to the current version, when it changed.
  type: list
  returned: with O(state) V(current), V(delivered) and V(upgraded)
"""

import glob
import os
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "state": {"type": "str", "choices": ["current", "delivered", "upgraded", "rolled_back", "finalized"], "default": "current"},
    "version": {"type": "str", "default": ""},
    "files": {
        "type": "list",
        "elements": "str",
        "default": ["/etc/cloudd/cloudd.yaml", "/etc/cloudd/worker.yaml", "/etc/cloudd/agent.yaml", "/etc/systemd/system/cloudd-*.service"],
    },
    "archive": {"type": "path"},
    "directory": {"type": "path", "default": "/opt/cloudd"},
    "python": {"type": "path", "default": "/usr/bin/python3"},
    "kept": {"type": "int", "default": 1},
}

# Written last, so that a version whose installation was cut off counts as not installed.
COMPLETE = ".complete"
# The host is at work while a version is delivered, and must not feel it.
GENTLY = ["nice", "-n", "19"]
# In a version's directory: the files that it was run with.
KEPT_FILES = "run-with"


def installed(directory: Path) -> list:
    """Complete versions, the latest installed last."""
    found = [path.parent for path in directory.glob(f"*/{COMPLETE}")]
    return [path.name for path in sorted(found, key=lambda path: (path / COMPLETE).stat().st_mtime) if not path.is_symlink()]


def surplus(versions: list, current: str, kept: int, former: str = "") -> list:
    """The versions to remove: all but the current one, the former one, and the latest `kept` others."""
    others = [version for version in versions if version not in (current, former)]
    return others[: max(0, len(others) - kept)]


def linked(directory: Path, name: str) -> str:
    """The version that a link names; empty when it is not there."""
    link = directory / name
    return Path(os.readlink(link)).name if link.is_symlink() else ""


def switch(directory: Path, version: str, name: str = "current") -> None:
    """Point a link at a version in one step."""
    scratch = directory / f".{name}.new"
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(version)
    scratch.replace(directory / name)


def keep_files(home: Path, patterns: list) -> None:
    """Copy the files that a version runs with into its directory."""
    shutil.rmtree(home / KEPT_FILES, ignore_errors=True)
    for path in [path for pattern in patterns for path in sorted(glob.glob(pattern))]:
        target = home / KEPT_FILES / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        (home / KEPT_FILES).chmod(0o700)
        shutil.copy2(path, target)


def bring_back_files(home: Path, root: Path = Path("/")) -> None:
    """Put the files that a version ran with back to their places, each in one step."""
    for kept in sorted(path for path in (home / KEPT_FILES).rglob("*") if path.is_file()):
        target = root / kept.relative_to(home / KEPT_FILES)
        scratch = target.with_name(f".{target.name}.new")
        shutil.copy2(kept, scratch)
        scratch.replace(target)


def install(module, home: Path, archive: Path, python: str) -> None:
    """Make the virtual environment at its final place (it is bound to it)."""
    home.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home, ignore_errors=True)
    flags = ["--quiet", "--offline", "--no-cache", "--no-config"]
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".wheelhouse-") as scratch:
        module.run_command([*GENTLY, "tar", "--extract", "--no-same-owner", "--file", str(archive), "--directory", scratch], check_rc=True)
        uv = f"{scratch}/uv"
        module.run_command([*GENTLY, uv, "venv", *flags, "--python", python, str(home)], check_rc=True)
        pip = [*GENTLY, uv, "pip", "install", *flags, "--no-index", "--no-deps", "--python", str(home / "bin/python")]
        module.run_command([*pip, "--find-links", f"{scratch}/wheels", "--requirement", f"{scratch}/requirements.txt"], check_rc=True)
    (home / COMPLETE).touch()


def refuse_third(module, version: str, current: str, former: str) -> None:
    """While an upgrade is under way, no other version may come in between."""
    if former and version != current:
        module.fail_json(
            msg=f"an upgrade from {former} to {current} has not come to its end, so {version} cannot come in between",
            code="upgrade.unfinished",
            remedy="end it first, by ./cloudctl finalize, or take it back by ./cloudctl rollback",
        )


def go_back(module, directory: Path, current: str, former: str) -> None:
    """Make the former version and its files the current ones again."""
    if former and not module.check_mode:
        bring_back_files(directory / former)
        switch(directory, former)
        (directory / "former").unlink()
    module.exit_json(changed=bool(former), previous=current, current=former or current, removed=[])


def finalize(module, directory: Path, current: str, former: str) -> None:
    """Let go of every version but the current one."""
    removed = surplus(installed(directory), current, 0)
    if not module.check_mode:
        (directory / "former").unlink(missing_ok=True)
        for name in removed:
            shutil.rmtree(directory / name)
    module.exit_json(changed=bool(former or removed), previous=current, current=current, removed=removed)


def main() -> None:
    """Install, switch, tidy up."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", state, ["version"]) for state in ("current", "delivered", "upgraded")],
    )
    state, version, directory = module.params["state"], module.params["version"], Path(module.params["directory"])
    previous, former = linked(directory, "current"), linked(directory, "former")
    if state == "rolled_back":
        go_back(module, directory, previous, former)
    if state == "finalized":
        finalize(module, directory, previous, former)
    refuse_third(module, version, previous, former)
    versions = installed(directory)
    missing = version not in versions
    current = previous if state == "delivered" else version
    # Nothing goes while an upgrade begins: the version that is to come is there, and so is the one to go back to.
    removed = surplus([*versions, *([version] if missing else [])], version, module.params["kept"], former) if state == "current" else []
    if missing and not module.params["archive"] and not module.check_mode:
        # The action plugin brings the archive then, and calls again.
        module.exit_json(changed=True, archive_needed=True, previous=previous, current=previous, removed=[])
    changed = missing or previous != current or bool(removed)
    if not module.check_mode:
        if missing:
            install(module, directory / version, Path(module.params["archive"]), module.params["python"])
        if previous != current:
            if state == "upgraded" and previous:
                keep_files(directory / previous, module.params["files"])
                switch(directory, previous, "former")
            switch(directory, current)
        for name in removed:
            shutil.rmtree(directory / name)
    written = [str(directory / "current")] if previous != current else []
    link = str(directory / "current")
    diff = {"before": f"{previous}\n" if previous else "", "after": f"{current}\n", "before_header": link, "after_header": link}
    module.exit_json(changed=changed, previous=previous, current=current, removed=removed, written=written, diff=diff)


if __name__ == "__main__":
    main()
