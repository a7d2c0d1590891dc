"""One cloud's entry comes and goes; the others' stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml


@pytest.fixture(scope="module")
def clouds_yaml(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/clouds_yaml.py")


def test_other_clouds_stay(clouds_yaml: ModuleType) -> None:
    before = {"clouds": {"other": {"region_name": "here"}}, "cache": {"expiration": 1}}
    with_ours = clouds_yaml.merged(before, "ours", {"region_name": "RegionOne"})
    assert with_ours["clouds"] == {"other": {"region_name": "here"}, "ours": {"region_name": "RegionOne"}}
    assert clouds_yaml.merged(with_ours, "ours", None) == before


def test_the_file_is_private(clouds_yaml: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "clouds.yaml"
    clouds_yaml.write_privately(path, {"clouds": {"ours": {"auth": {"password": "x"}}}})
    assert path.stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["clouds"]["ours"]["auth"] == {"password": "x"}
