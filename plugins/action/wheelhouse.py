"""Action `wheelhouse`: builds, on the deployment host, one archive from which hosts install cloudd without a package index.

The archive holds `requirements.txt` (every package at its exact version), `wheels/`, and `uv`, which installs them in a second.
The version names the content: the same sources and pins give the same version, and nothing is built twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

DIGEST_LENGTH = 10
ARCHIVES_KEPT = 3
NOT_DEPLOYED = frozenset({"__pycache__", "ctl"})
OUTPUT_TAIL = 1500


class BuildFailed(Exception):
    """A tool that builds wheels ended with an error; the message holds the end of what it said."""

    def __init__(self, command: list[str], output: str) -> None:
        super().__init__(f"{Path(command[0]).name} {' '.join(command[1:3])} failed:\n{output.strip()[-OUTPUT_TAIL:]}")


class Wheelhouse:
    """The wheels of one source tree in one directory, kept between runs."""

    def __init__(self, source: Path, directory: Path, extras: list[str]) -> None:
        self.source, self.directory, self.extras = source, directory, extras
        self.project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        self.dependencies_digest = self._digest_of_dependencies()
        self.version = f"{self.project['version']}+{self._digest_of_all()}"
        self.archive = directory / f"cloudd-{self.version}.tar"

    def build(self) -> bool:
        """Make the archive if it is not there; true when it was made."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if self.archive.exists():
                os.utime(self.archive)
                return False
            with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
                self._pack(self._dependencies(), self._cloudd_wheel(Path(scratch)), Path(scratch) / "archive.tar")
            self._forget_old()
            return True

    def _digest_of_dependencies(self) -> str:
        """Everything that decides which third-party wheels are needed: names, pins, the interpreter, the machine."""
        digest = hashlib.sha256()
        optional = [self.project.get("optional-dependencies", {}).get(extra, []) for extra in self.extras]
        for part in (self.project["dependencies"], optional, sys.version_info[:2], platform.machine()):
            digest.update(repr(part).encode())
        digest.update((self.source / "constraints.txt").read_bytes())
        return digest.hexdigest()[:DIGEST_LENGTH]

    def _digest_of_all(self) -> str:
        """The third-party wheels and every file of cloudd that goes to a host."""
        digest = hashlib.sha256(self.dependencies_digest.encode())
        for path in self._sources():
            digest.update(str(path.relative_to(self.source)).encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:DIGEST_LENGTH]

    def _sources(self) -> list[Path]:
        package = self.source / "cloudd"
        files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return sorted(path for path in files if not NOT_DEPLOYED & set(path.relative_to(package).parts[:-1]))

    def _dependencies(self) -> Path:
        """The directory of third-party wheels with their pinned list, built when names or pins changed."""
        directory = self.directory / f"dependencies-{self.dependencies_digest}"
        if directory.exists():
            return directory
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            pins, made = Path(scratch) / "requirements.txt", Path(scratch) / "made"
            extras = [flag for extra in self.extras for flag in ("--extra", extra)]
            constraints = ["--constraint", str(self.source / "constraints.txt")]
            quiet = ["--quiet", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
            self._run([uv(), "pip", "compile", *quiet, *extras, *constraints, "-o", str(pins), str(self.source / "pyproject.toml")])
            self._run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-r", str(pins), "-w", str(made / "wheels")])
            shutil.copy(pins, made / "requirements.txt")
            made.rename(directory)
        return directory

    def _cloudd_wheel(self, scratch: Path) -> Path:
        """cloudd's own wheel, its version marked with the content's digest."""
        tree = scratch / "source"
        for path in self._sources():
            target = tree / path.relative_to(self.source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        text = (self.source / "pyproject.toml").read_text(encoding="utf-8")
        marked, count = re.subn(r'(?m)^version = ".*"$', f'version = "{self.version}"', text, count=1)
        if count != 1:
            raise BuildFailed(["pyproject.toml"], 'it has no line `version = "…"`')
        (tree / "pyproject.toml").write_text(marked, encoding="utf-8")
        readme = self.source / str(self.project.get("readme", "README.md"))
        shutil.copy(readme, tree / readme.name)
        self._run([uv(), "build", "--quiet", "--wheel", "--out-dir", str(scratch / "wheel"), str(tree)])
        return next((scratch / "wheel").glob("cloudd-*.whl"))

    def _pack(self, dependencies: Path, wheel: Path, scratch: Path) -> None:
        """Write the archive beside its place and move it there in one step."""
        pins = scratch.with_name("pins.txt")
        pins.write_text((dependencies / "requirements.txt").read_text(encoding="utf-8") + f"cloudd=={self.version}\n", encoding="utf-8")
        with tarfile.open(scratch, "w") as archive:
            archive.add(pins, "requirements.txt")
            archive.add(uv(), "uv")
            archive.add(wheel, f"wheels/{wheel.name}")
            for path in sorted((dependencies / "wheels").glob("*.whl")):
                archive.add(path, f"wheels/{path.name}")
        scratch.rename(self.archive)

    def _forget_old(self) -> None:
        """Keep the latest archives, and of the dependencies only those of today."""
        archives = sorted(self.directory.glob("cloudd-*.tar"), key=lambda path: path.stat().st_mtime)
        for path in archives[:-ARCHIVES_KEPT]:
            path.unlink()
        for path in self.directory.glob("dependencies-*"):
            if path.name != f"dependencies-{self.dependencies_digest}":
                shutil.rmtree(path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One builder at a time; a second one waits and then finds the work done."""
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _run(self, command: list[str]) -> None:
        caches = {"UV_CACHE_DIR": str(self.directory.parent / "uv"), "PIP_CACHE_DIR": str(self.directory.parent / "pip")}
        # An authority that this machine trusts, such as a company proxy's, is trusted by uv too.
        caches["UV_SYSTEM_CERTS"] = "true"
        done = subprocess.run(command, env=caches | os.environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildFailed(command, done.stderr or done.stdout)


def uv() -> str:
    """The uv of the environment that Ansible runs in, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise BuildFailed(["uv"], "uv is neither in Ansible's own environment nor on PATH; install it there")
    return found


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: `source` (the repository), `directory` (the cache), `extras`. Returns `archive_path`, `version`.

    Builds in check mode too: the archive is a cache of the deployment host and changes no cloud.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Build what is missing and say where it is."""
        super().run(tmp, task_vars)
        arguments = self._task.args
        try:
            wheelhouse = Wheelhouse(Path(arguments["source"]).resolve(), Path(arguments["directory"]).resolve(), list(arguments["extras"]))
            made = wheelhouse.build()
        except (BuildFailed, OSError) as error:
            remedy = "see that this machine reaches a package index and has gcc, python3-dev, pkg-config and libvirt-dev; then run it again"
            return {"failed": True, "code": "wheelhouse.build_failed", "msg": str(error), "remedy": remedy}
        return {"changed": made, "archive_path": str(wheelhouse.archive), "version": wheelhouse.version}
