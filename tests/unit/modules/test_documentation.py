"""What a module's documentation says is what its code does: every option, type, default and choice."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("cloud_*.py"))
COMPARED = ("type", "required", "default", "choices", "elements", "aliases")
DEFAULTS = {"required": False, "aliases": [], "type": "str"}


def documented_options(module: Any) -> dict[str, Any]:
    """The module's own options and those of the fragments that it extends."""
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = dict(documentation.get("options", {}))
    for name in documentation.get("extends_documentation_fragment", []):
        file_name, _, part = name.partition(".")
        path = ROOT / "plugins" / "doc_fragments" / f"{file_name}.py"
        spec = importlib.util.spec_from_file_location(f"doc_fragment_{file_name}", path)
        assert spec is not None
        assert spec.loader is not None
        fragment = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(fragment)
        text = getattr(fragment.ModuleDocFragment, part.upper() or "DOCUMENTATION")
        options.update(yaml.safe_load(text).get("options", {}))
    return options


def comparable(option: dict[str, Any]) -> dict[str, Any]:
    return {key: option.get(key, DEFAULTS.get(key)) for key in COMPARED}


def assert_same(documented: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert sorted(documented) == sorted(arguments)
    for name, option in documented.items():
        assert option.get("description"), f"{name} is not described"
        assert comparable(option) == comparable(arguments[name]), name
        assert_same(option.get("suboptions", {}), arguments[name].get("options", {}))


def test_there_are_modules() -> None:
    assert {"cloud_host", "cloud_host_info", "cloud_instance", "cloud_instance_info", "cloud_volume", "cloud_volume_info"} <= set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("cloud_host", "cloud_instance", "cloud_volume"))])
def test_documentation_equals_the_argument_spec(name: str) -> None:
    module = importlib.import_module(name)
    assert_same(documented_options(module), module.ARGUMENTS)


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_documented_options(name: str) -> None:
    module = importlib.import_module(name)
    known = set(documented_options(module))
    examples = yaml.safe_load(module.EXAMPLES)
    assert examples
    for task in examples:
        assert task["name"]
        arguments = task.get(name)
        if arguments is not None:
            assert set(arguments) <= known


@pytest.mark.parametrize("name", ["cloud_host", "cloud_instance", "cloud_volume"])
def test_results_are_documented(name: str, run: Any) -> None:
    """The fields that the _info twin documents are those that it returns."""
    run("cloud_instance", name="web", flavor="tiny", image="tiny")
    run("cloud_volume", name="data", size_gib=1)
    info = importlib.import_module(f"{name}_info")
    plural = f"{name.removeprefix('cloud_')}s"
    documented = yaml.safe_load(info.RETURN)[plural]["contains"]
    returned = run(f"{name}_info")[plural][0]
    assert sorted(documented) == sorted(returned)


def test_ansible_can_show_them() -> None:
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = [str(pathlib.Path(sys.executable).with_name("ansible-doc")), "--json", *MODULES]
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert sorted(json.loads(shown.stdout)) == MODULES
