"""Which options only some processes read, as the role cloudd says, is held to the code that the processes run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from cloudd import assembly
from cloudd.kit.settings import sections
from tests.unit.deployer_roles.conftest import ROOT

ROLE: dict[str, Any] = yaml.safe_load((ROOT / "roles/cloudd/vars/main.yml").read_text())
READ_BY: dict[str, dict[str, list[str]]] = ROLE["__cloudd_read_by"]
CONTROL = ("cloudd.server", "cloudd.identity.bootstrap", *(f"cloudd.{name}.service" for name in assembly.SERVICES))
#: An f-string that begins so may name any option that does.
SHORTEST_PREFIX = 3


def imported(path: Path) -> Iterator[str]:
    """Names that a module imports, at its head or inside of functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def file_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def modules(roots: Iterable[str]) -> dict[str, Path]:
    """All of cloudd that these modules may load."""
    found: dict[str, Path] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        path = file_of(name)
        if name.startswith("cloudd") and name not in found and path is not None:
            found[name] = path
            todo += [*imported(path), name.rpartition(".")[0]]
    return found


def reader(paths: Iterable[Path]) -> Callable[[str], bool]:
    """Whether any of the files names an option: as an attribute, a string, or by how an f-string begins."""
    names, prefixes = set[str](), set[str]()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
            elif isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
                prefixes.add(str(node.values[0].value))
    long = tuple(prefix for prefix in prefixes if len(prefix) >= SHORTEST_PREFIX)
    return lambda option: option in names or option.startswith(long)


def may_read(process: str) -> Callable[[str], bool]:
    """What a process may read: all that it may load, less what only the other control process runs."""
    if process == "agents":
        return reader(modules(f"cloudd.{part}.agent" for part in assembly.AGENTS).values())
    control = modules(CONTROL)
    if process == "api":
        return reader(path for name, path in control.items() if ".sagas" not in name)
    return reader(path for name, path in control.items() if ".api" not in name and name != "cloudd.server")


@pytest.mark.parametrize(
    ("process", "unread"),
    [("api", ("worker", "agents")), ("worker", ("api", "agents")), ("agents", ("api", "worker", "control"))],
)
def test_no_process_reads_what_its_file_leaves_out(process: str, unread: tuple[str, ...]) -> None:
    assembly.declare_settings()
    reads = may_read(process)
    left_out = {(section, option) for who in unread for section, options in READ_BY[who].items() for option in options}
    assert not [f"{section}.{option}" for section, option in sorted(left_out) if reads(option)]


def test_every_option_named_there_exists() -> None:
    assembly.declare_settings()
    known = {name: {field.name for field in msgspec.structs.fields(kind)} for name, kind in sections().items()}
    for options_by_section in READ_BY.values():
        for section, options in options_by_section.items():
            assert set(options) <= known[section]


@pytest.mark.parametrize("part", assembly.AGENTS)
def test_an_agent_has_the_sections_that_it_asks_for(part: str) -> None:
    assembly.declare_settings()
    kinds = {kind.__name__: name for name, kind in sections().items()}
    asked = set()
    for path in modules([f"cloudd.{part}.agent"]).values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "section":
                asked |= {kinds[argument.id] for argument in node.args if isinstance(argument, ast.Name)}
    assert asked <= {"bus", "host", "log", "image", part}


def test_the_scan_sees_what_is_read() -> None:
    assert may_read("agents")("libvirt_uri")
    assert may_read("api")("quota_port")
    assert may_read("worker")("build_timeout_seconds")
    assert not may_read("agents")("policy_path")
