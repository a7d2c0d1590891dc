"""The wheelhouse's version names its content, and every dependency of the project is pinned."""

from __future__ import annotations

import re
import shutil
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.deployer.conftest import ROOT


@pytest.fixture(scope="module")
def wheelhouse(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/wheelhouse.py")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree = tmp_path / "source"
    (tree / "cloudd" / "ctl").mkdir(parents=True)
    (tree / "cloudd" / "__init__.py").write_text('"""A cloud."""\n', encoding="utf-8")
    (tree / "cloudd" / "ctl" / "__init__.py").write_text('"""The command."""\n', encoding="utf-8")
    for name in ("pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    return tree


def version(wheelhouse: ModuleType, source: Path) -> str:
    return str(wheelhouse.Wheelhouse(source, source / "out", []).version)


def test_the_version_follows_the_content(wheelhouse: ModuleType, source: Path) -> None:
    first = version(wheelhouse, source)
    assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9a-f]{10}", first)
    assert version(wheelhouse, source) == first
    (source / "cloudd" / "ctl" / "more.py").write_text("", encoding="utf-8")
    assert version(wheelhouse, source) == first, "the operator's command does not go to hosts"
    (source / "cloudd" / "more.py").write_text("", encoding="utf-8")
    second = version(wheelhouse, source)
    assert second != first
    with (source / "constraints.txt").open("a", encoding="utf-8") as pins:
        pins.write("more==1\n")
    assert version(wheelhouse, source) not in {first, second}


def test_an_archive_is_built_once(wheelhouse: ModuleType, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def tool(self: Any, command: list[str]) -> None:
        """Stands for uv and pip: writes what they would."""
        commands.append(command)
        if "compile" in command:
            Path(command[command.index("-o") + 1]).write_text("more==1\n", encoding="utf-8")
        elif "wheel" in command[2:4]:
            (Path(command[-1]) / "more-1-py3-none-any.whl").parent.mkdir(parents=True)
            (Path(command[-1]) / "more-1-py3-none-any.whl").write_bytes(b"wheel")
        else:
            out = Path(command[command.index("--out-dir") + 1])
            out.mkdir()
            text = (Path(command[-1]) / "pyproject.toml").read_text(encoding="utf-8")
            (out / f"cloudd-{tomllib.loads(text)['project']['version']}-py3-none-any.whl").write_bytes(b"wheel")
            assert not (Path(command[-1]) / "cloudd" / "ctl").exists()

    monkeypatch.setattr(wheelhouse.Wheelhouse, "_run", tool)
    house = wheelhouse.Wheelhouse(source, source / "out", [])
    assert house.build()
    assert not house.build()
    assert len(commands) == 3
    with tarfile.open(house.archive) as archive:
        names = archive.getnames()
        pins = archive.extractfile("requirements.txt")
        assert pins is not None
        assert pins.read().decode() == f"more==1\ncloudd=={house.version}\n"
    assert {"uv", f"wheels/cloudd-{house.version}-py3-none-any.whl", "wheels/more-1-py3-none-any.whl"} <= set(names)


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["libvirt"]]
    wanted += [name for group in project["dependency-groups"].values() for name in group]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {line.partition("==")[0] for line in pins.splitlines()}
    names = {re.split(r"[\[<>=~! ]", name)[0].lower().replace("_", "-").replace(".", "-") for name in wanted}
    assert not names - pinned, "make the pins anew as docs/operator.md says"
    assert "://" not in pins
