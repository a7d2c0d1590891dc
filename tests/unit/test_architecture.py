"""The house's own rules, held by tests rather than by prose."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from cloudd.assembly import SERVICES

ROOT = Path(__file__).parents[2]
CODE = sorted(p for p in ROOT.glob("cloudd/**/*.py") if "versions" not in p.parts)
DECAY = {"manager.py", "utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}


def test_imports_point_one_way() -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_services_meet_only_at_their_doors(service: str) -> None:
    """A service imports another's client.py and messages.py, its agents image's transfer; never its rooms."""
    others = [name for name in SERVICES if name != service]
    for path in ROOT.glob(f"cloudd/{service}/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            for other in others:
                if module is not None and (module == f"cloudd.{other}" or module.startswith(f"cloudd.{other}.")):
                    door = module.removeprefix(f"cloudd.{other}").lstrip(".")
                    assert door in ("client", "messages", "transfer"), f"{path.relative_to(ROOT)}:{node.lineno} imports {module}"


def test_no_file_is_named_after_nothing() -> None:
    folders = [ROOT / name for name in ("cloudd", "library", "plugins", "tests")]
    named = [p.relative_to(ROOT) for folder in folders for p in folder.glob("**/*.py") if p.name in DECAY]
    assert not named


def test_files_stay_small() -> None:
    large = {str(p.relative_to(ROOT)): n for p in CODE if (n := len(p.read_text().splitlines())) > 400}
    assert not large


def test_modules_open_with_one_sentence() -> None:
    silent = [str(p.relative_to(ROOT)) for p in CODE if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


@pytest.mark.parametrize("room", ["api", "agent"])
def test_no_sql_outside_of_domain_and_store(room: str) -> None:
    for service in SERVICES:
        for path in ROOT.glob(f"cloudd/{service}/{room}/**/*.py"):
            assert "sqlalchemy" not in path.read_text(), path.relative_to(ROOT)
