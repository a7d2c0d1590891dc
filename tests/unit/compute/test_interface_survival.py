"""A kill before and after every step and undo of plugging a NIC in: it is plugged, or nothing of it is left."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from cloudd.compute.drivers.base import DriverError
from tests.killer import Killer
from tests.unit.compute.conftest import Compute
from tests.unit.compute.test_survival import assert_clean, delete


@pytest.mark.parametrize("fails", [False, True])
async def test_attach_interface(compute: Compute, fails: bool) -> None:
    killer, server_id = Killer(compute.cloud), (await compute.make_server())["id"]
    first = list(compute.driver.domain_by_id[server_id].ports)
    path = f"/servers/{server_id}/os-interface"
    answering: list[asyncio.Task[httpx.Response]] = []

    async def ask() -> None:
        """The answer waits for the saga, so it is fetched later."""
        if fails:
            compute.driver.fail_next("attach_interface", DriverError("broken", "No slot is free."))
        body = {"interfaceAttachment": {"net_id": compute.network_id}}
        answering.append(asyncio.create_task(compute.cloud.request("POST", f"/compute/v2.1{path}", json=body)))

    async def attach() -> None:
        await ask()
        assert ((await answering.pop()).status_code == 200) is not fails

    for point in await killer.points("compute.attach_interface", attach):
        if not fails:
            await detach_all_but(compute, server_id, first)
        await killer.with_kill_at(point, ask)
        async with asyncio.timeout(10):
            answer = await answering.pop()
        plugged = [port for port in compute.driver.domain_by_id[server_id].ports if port not in first]
        shown = [port["port_id"] for port in (await compute.call("GET", path))["interfaceAttachments"]]
        assert sorted(shown) == sorted([*first, *plugged]), point
        # The fake fails once only: a step that was killed before its result was saved goes well the second time.
        assert len(plugged) == 1 if answer.status_code == 200 else fails and not plugged, (point, answer.text)
        await detach_all_but(compute, server_id, first)
    await delete(compute, server_id)
    await assert_clean(compute)


async def detach_all_but(compute: Compute, server_id: str, kept: list[str]) -> None:
    for port in compute.driver.domain_by_id[server_id].ports:
        if port not in kept:
            await compute.call("DELETE", f"/servers/{server_id}/os-interface/{port}", status=202)
    await compute.cloud.settle()
    assert compute.driver.domain_by_id[server_id].ports == kept
