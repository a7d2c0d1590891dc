"""Loads action plugins and modules by their path, as Ansible does."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    """Give the Python file at a path below the repository as a module."""

    def load_path(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"under_test_{Path(path).stem}", ROOT / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_path
