"""What must hold for every route, saga, option and error code of every service, also those not yet written."""

from __future__ import annotations

import ast
import inspect
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from litestar.handlers import HTTPRouteHandler

from cloudd import assembly
from cloudd.kit.web import PUBLIC
from tests.conftest import EmbeddedCloud, settings_for, start_cloud


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> assembly.Process:
    """All services put together, not started."""
    return assembly.Process(settings_for(tmp_path_factory.mktemp("whole")))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedCloud]:
    embedded = await start_cloud(settings_for(tmp_path_factory.mktemp("running")))
    yield embedded
    await embedded.http.aclose()
    await embedded.process.stop()


def routes(process: assembly.Process) -> list[tuple[str, HTTPRouteHandler]]:
    return [(service.name, handler) for service in process.services for handler in service.routes]


def addresses(process: assembly.Process) -> list[tuple[str, str, str, str]]:
    """(service, method, path with made-up ids, rule) of every route."""
    found = []
    for name, handler in routes(process):
        for path in handler.paths:
            parts = [str(uuid.uuid4()) if part.startswith("{") else part for part in path.split("/")]
            found += [(name, str(method), f"/{name}{'/'.join(parts)}", handler.opt["rule"]) for method in handler.http_methods]
    return found


def test_every_route_has_a_known_rule(whole: assembly.Process) -> None:
    unknown = [
        (name, handler.paths, handler.opt.get("rule"))
        for name, handler in routes(whole)
        if handler.opt.get("rule") not in {PUBLIC, *whole.policy.texts}
    ]
    assert not unknown


def test_every_rule_is_used_or_asked_for_by_name(whole: assembly.Process) -> None:
    used = {handler.opt["rule"] for _, handler in routes(whole)}
    source = "".join(path.read_text() for service in whole.services for path in assembly_files(service.name))
    unused = [
        rule
        for service in whole.services
        for rule in service.rules
        if rule not in used and source.count(f'"{rule}"') < 2 and f"rule:{rule}" not in source
    ]
    assert not unused


def assembly_files(name: str) -> list[Any]:
    return sorted(Path(assembly.__file__).parent.glob(f"{name}/**/*.py"))


def test_every_body_has_a_shape(whole: assembly.Process) -> None:
    loose = []
    for name, handler in routes(whole):
        data = inspect.signature(handler.fn).parameters.get("data")
        annotation = None if data is None else handler.parsed_fn_signature.parameters["data"].annotation
        if data is not None and not (inspect.isclass(annotation) and issubclass(annotation, msgspec.Struct)):
            loose.append((name, handler.paths, str(annotation)))
    assert not loose


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_refuses_who_has_no_token(running: EmbeddedCloud) -> None:
    open_doors = []
    for _, method, path, rule in addresses(running.process):
        if rule == PUBLIC:
            continue
        answer = await running.request(method, path, as_=None, json={} if method in ("POST", "PUT", "PATCH") else None)
        if answer.status_code not in (401, 404) and not (answer.status_code == 400 and method != "GET"):
            open_doors.append((method, path, answer.status_code))
    assert not open_doors


@pytest.mark.asyncio(loop_scope="module")
async def test_no_route_answers_5xx_to_unknown_ids(running: EmbeddedCloud) -> None:
    broken = []
    for who in ("demo", "admin"):
        for _, method, path, _rule in addresses(running.process):
            answer = await running.request(method, path, as_=who, json={} if method in ("POST", "PUT", "PATCH") else None)
            if answer.status_code >= 500:
                broken.append((who, method, path, answer.status_code, answer.text[:200]))
    assert not broken


@pytest.mark.asyncio(loop_scope="module")
async def test_admin_rules_refuse_members(running: EmbeddedCloud) -> None:
    admin_only = {rule for rule, text in running.process.policy.texts.items() if text in ("rule:admin", "role:admin")}
    let_in = []
    for _, method, path, rule in addresses(running.process):
        if rule in admin_only:
            answer = await running.request(method, path, as_="demo", json={} if method in ("POST", "PUT", "PATCH") else None)
            if answer.status_code not in (403, 404):
                let_in.append((method, path, answer.status_code))
    assert not let_in


def test_every_saga_can_go_back(whole: assembly.Process) -> None:
    for service in whole.services:
        for saga in service.sagas:
            for step in saga.steps:
                assert inspect.iscoroutinefunction(getattr(saga, step)), f"{saga.kind}.{step}"
                undo = getattr(saga, f"undo_{step}", None)
                assert (undo is None) == (step in saga.harmless), f"{saga.kind}.{step} needs undo_{step}, or to be listed as harmless"
            assert saga.harmless <= set(saga.steps), saga.kind


def test_every_saga_is_killed_at_each_of_its_points(whole: assembly.Process) -> None:
    killed: set[Any] = set()
    for path in Path(__file__).parent.glob("*/test_*survival.py"):
        tree = ast.parse(path.read_text())
        # A room's own `survive` hands on the kind that its callers spell out.
        handing_on = {id(node) for act in ast.walk(tree) if getattr(act, "name", "") == "survive" for node in ast.walk(act)}
        for node in ast.walk(tree):
            if id(node) in handing_on:
                continue
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("points", "survive"):
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno} does not spell the saga's kind out"
                killed.add(node.args[0].value)
    kinds = {saga.kind for service in whole.services for saga in service.sagas}
    assert killed == kinds, f"without a survival test: {sorted(kinds - killed)}; no such saga: {sorted(killed - kinds)}"


async def test_migrations_lead_to_the_tables_of_the_code(tmp_path: Any) -> None:
    from cloudd.migrations.schema import differences

    assert await differences(f"sqlite:///{tmp_path}/migrated.db") == []


def test_the_reference_tells_every_option_error_and_rule() -> None:
    from tests.reference import FOLDER, pages

    stale = [name for name, text in pages().items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text]
    assert not stale, f"docs/reference is out of date: {stale}; run python -m tests.reference"
