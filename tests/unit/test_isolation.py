"""A project's resources do not exist for another's: every route is walked with the other project's token."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from litestar.handlers import HTTPRouteHandler

from cloudd.kit.web import PUBLIC
from tests.belongings import Belongings
from tests.conftest import EmbeddedCloud, settings_for, start_cloud

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What the world may see of them: shared by design, or about the caller itself.
OPEN_SEGMENTS = {"flavors", "types", "extensions", "schemas", "traits", "resource_classes", "regions", "domains"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedCloud]:
    embedded = await start_cloud(settings_for(tmp_path_factory.mktemp("isolation")))
    yield embedded
    await embedded.http.aclose()
    await embedded.process.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def belongings(cloud: EmbeddedCloud) -> Belongings:
    """One of everything, made by demo."""
    return await Belongings.make(cloud, "demo")


def owned_addresses(cloud: EmbeddedCloud, belongings: Belongings) -> list[tuple[str, str, Any]]:
    """(method, path with demo's ids, minimal body) of each route that has an owned id in its path."""
    found = []
    for service in cloud.process.services:
        for handler in service.routes:
            if handler.opt["rule"] == PUBLIC:
                continue
            for path in handler.paths:
                filled = belongings.fill(service.name, path)
                if filled is not None:
                    found += [(str(method), f"/{service.name}{filled}", _body(handler)) for method in handler.http_methods]
    return found


def _body(handler: HTTPRouteHandler) -> Any:
    if "data" not in inspect.signature(handler.fn).parameters:
        return None
    return minimal(handler.parsed_fn_signature.parameters["data"].annotation)


def minimal(kind: Any) -> Any:
    """The smallest JSON value that a type admits, as far as that can be told."""
    info = msgspec.inspect.type_info(kind)
    return _minimal(info)


def _minimal(info: Any) -> Any:
    inspected = msgspec.inspect
    match info:
        case inspected.StructType():
            return {field.encode_name: _minimal(field.type) for field in info.fields if field.required} or _first_field(info)
        case inspected.UnionType():
            return _minimal(info.types[0])
        case inspected.LiteralType():
            return info.values[0]
        case inspected.StrType():
            return "x" * max(1, info.min_length or 0)
        case inspected.IntType() | inspected.FloatType():
            return info.ge or 1
        case inspected.BoolType():
            return True
        case inspected.ListType() | inspected.SetType():
            return []
        case inspected.DictType():
            return {}
    return None


def _first_field(info: Any) -> dict[str, Any]:
    """A body with nothing required: name something, so that there is something to refuse."""
    for field in info.fields:
        if field.encode_name in ("name", "description", "display_name"):
            return {field.encode_name: "stolen"}
    return {}


async def test_no_route_gives_or_changes_what_another_project_owns(cloud: EmbeddedCloud, belongings: Belongings) -> None:
    before = await belongings.snapshot(cloud)
    walked, leaks = 0, []
    for method, path, body in owned_addresses(cloud, belongings):
        answer = await cloud.request(method, path, as_="other", json=body)
        walked += 1
        if answer.status_code < 400 and not (method == "GET" and belongings.is_empty(answer)):
            leaks.append((method, path, answer.status_code, answer.text[:200]))
        if answer.status_code >= 500:
            leaks.append((method, path, answer.status_code, answer.text[:200]))
    assert not leaks, "\n".join(map(str, leaks))
    assert walked > 100
    await cloud.settle()
    assert await belongings.snapshot(cloud) == before


async def test_no_list_names_what_another_project_owns(cloud: EmbeddedCloud, belongings: Belongings) -> None:
    told = []
    for service in cloud.process.services:
        for handler in service.routes:
            for path in handler.paths:
                if "{" in path or "GET" not in handler.http_methods:
                    continue
                for query in ("", "?all_tenants=1"):
                    answer = await cloud.request("GET", f"/{service.name}{path}{query}", as_="other")
                    text = json.dumps(answer.json()) if "json" in answer.headers.get("content-type", "") else answer.text
                    told += [(path + query, noun) for noun, key in belongings.ids.items() if key in text]
    assert not told
