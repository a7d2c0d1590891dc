"""Servers of the fake driver in bulk: what the control plane itself costs, without a hypervisor."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.bench.api_client import ApiClient
from tests.bench.load import load

CALLERS = 8
POLL_SECONDS = 0.1


async def prepare(client: ApiClient) -> dict[str, Any]:
    """Make a flavor, an image and a network; returns the parts of a server's request."""
    flavor = {"name": "bench", "vcpus": 1, "ram": 64, "disk": 1}
    made = await client.request("POST", "compute", "/flavors", expect=200, json={"flavor": flavor})
    image = await client.request(
        "POST", "image", "/v2/images", expect=201, json={"name": "bench", "disk_format": "raw", "container_format": "bare"}
    )
    image_id = image.json()["id"]
    upload = {"content": bytes(1 << 20), "headers": {"Content-Type": "application/octet-stream"}}
    await client.request("PUT", "image", f"/v2/images/{image_id}/file", expect=204, **upload)
    network = (await client.request("POST", "network", "/v2.0/networks", expect=201, json={"network": {"name": "bench"}})).json()["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.200.0.0/16", "name": "bench"}
    await client.request("POST", "network", "/v2.0/subnets", expect=201, json={"subnet": subnet})
    return {"flavorRef": made.json()["flavor"]["id"], "imageRef": image_id, "network_id": network["id"]}


async def create_until_active(client: ApiClient, parts: dict[str, Any], name: str, count: int, with_port: bool) -> dict[str, Any]:
    """Ask for so many servers at once; returns how fast they were accepted and how soon all were ACTIVE."""
    networks: Any = [{"uuid": parts["network_id"]}] if with_port else "none"
    request = {"flavorRef": parts["flavorRef"], "imageRef": parts["imageRef"], "networks": networks}

    async def create(number: int) -> bool:
        body = {"server": {"name": f"{name}-{number}", **request}}
        await client.request("POST", "compute", "/servers", expect=202, json=body)
        return True

    began = time.perf_counter()
    accepted = await load(create, callers=CALLERS, count=count)
    deadline = began + 600
    while (await client.get("compute", f"/servers?name={name}-&status=BUILD&limit=1"))["servers"]:
        if time.perf_counter() > deadline:
            break
        await asyncio.sleep(POLL_SECONDS)
    elapsed = time.perf_counter() - began
    states = [server["status"] for server in await every_server(client, name)]
    return {
        "servers": count,
        "accepted_per_second": accepted["per_second"],
        "accept_p50_ms": accepted["p50_ms"],
        "accept_p99_ms": accepted["p99_ms"],
        "errors": accepted["errors"],
        "active": states.count("ACTIVE"),
        "all_active_seconds": round(elapsed, 2),
        "active_per_second": round(states.count("ACTIVE") / elapsed, 2),
    }


async def delete_until_gone(client: ApiClient, name: str) -> dict[str, Any]:
    """Delete every server of that name; returns how fast deletions were accepted and how soon all were gone."""
    ids = [server["id"] for server in await every_server(client, name)]

    async def delete(number: int) -> bool:
        await client.request("DELETE", "compute", f"/servers/{ids[number]}", expect=204)
        return True

    began = time.perf_counter()
    accepted = await load(delete, callers=CALLERS, count=len(ids))
    deadline = began + 600
    while (await client.get("compute", f"/servers?name={name}-&limit=1"))["servers"]:
        if time.perf_counter() > deadline:
            break
        await asyncio.sleep(POLL_SECONDS)
    return {
        "servers": len(ids),
        "accepted_per_second": accepted["per_second"],
        "errors": accepted["errors"],
        "all_gone_seconds": round(time.perf_counter() - began, 2),
    }


async def list_servers(client: ApiClient, lists: int = 20) -> dict[str, Any]:
    """Ask for all servers in full, one list after the other, page by page where the service has pages."""
    size = {"listed": 0, "bytes": 0}

    async def one(number: int) -> bool:
        answer = await client.request("GET", "compute", "/servers/detail", expect=200)
        size.update(listed=len(answer.json()["servers"]), bytes=len(answer.content))
        return True

    await one(0)
    return {**await load(one, callers=1, count=lists), **size}


async def every_server(client: ApiClient, name: str) -> list[dict[str, Any]]:
    """The servers whose names begin so, across pages."""
    found: list[dict[str, Any]] = []
    marker = ""
    while True:
        page = (await client.get("compute", f"/servers/detail?name={name}-&limit=500{marker}"))["servers"]
        found += page
        if len(page) < 500:
            return found
        marker = f"&marker={page[-1]['id']}"
