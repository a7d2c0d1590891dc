"""Real guests on the quickstart's cloud: from the request to ACTIVE, to the lease that the guest itself reports, and to nothing."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from tests.bench.api_client import ApiClient

# The guest prints this on its console, with its uptime and address, when it has its lease.
LEASE_MARK = "GUEST-LEASE"
TIMEOUT_SECONDS = 180
POLL_SECONDS = 0.2


async def real_guests(client: ApiClient, count: int) -> dict[str, Any]:
    """Boot so many guests at once, then delete them; seconds of the median and the slowest."""
    request = {
        "flavorRef": await id_of(client, "compute", "/flavors", "flavors", "tiny"),
        "imageRef": await id_of(client, "image", "/v2/images?name=tiny", "images", "tiny"),
        "networks": [{"uuid": await id_of(client, "network", "/v2.0/networks?name=private", "networks", "private")}],
    }
    await client.log_in()
    began = time.perf_counter()
    guests = await asyncio.gather(*(boot(client, {"name": f"bench-{number}", **request}) for number in range(count)))
    deleted = await asyncio.gather(*(delete(client, guest["id"]) for guest in guests))
    measured: dict[str, Any] = {"guests": count, "all_seconds": round(time.perf_counter() - began, 2)}
    for name in ("accepted", "active", "lease"):
        times = [guest[name] for guest in guests if guest[name] is not None]
        if times:
            measured[f"{name}_median_seconds"] = round(statistics.median(times), 2)
            measured[f"{name}_slowest_seconds"] = round(max(times), 2)
    measured["deleted_median_seconds"] = round(statistics.median(deleted), 2)
    measured["active"] = sum(guest["active"] is not None for guest in guests)
    faults = [guest["fault"] for guest in guests if guest["fault"]]
    return {**measured, "faults": faults} if faults else measured


async def boot(client: ApiClient, request: dict[str, Any]) -> dict[str, Any]:
    """Boot one guest; returns its id and the seconds to each mark, None for one that it did not reach."""
    began = time.perf_counter()
    answer = await client.request("POST", "compute", "/servers", expect=202, json={"server": request})
    guest: dict[str, Any] = {"id": answer.json()["server"]["id"], "active": None, "lease": None, "fault": None}
    guest["accepted"] = time.perf_counter() - began
    path = f"/servers/{guest['id']}"
    while time.perf_counter() - began < TIMEOUT_SECONDS and guest["lease"] is None:
        if guest["active"] is None:
            server = (await client.get("compute", path))["server"]
            if server["status"] == "ERROR":
                guest["fault"] = server.get("fault", {}).get("message", "no reason given")
                break
            if server["status"] == "ACTIVE":
                guest["active"] = time.perf_counter() - began
        else:
            console = await client.request("POST", "compute", f"{path}/action", expect=200, json={"os-getConsoleOutput": {"length": 60}})
            if LEASE_MARK in console.json()["output"]:
                guest["lease"] = time.perf_counter() - began
        await asyncio.sleep(POLL_SECONDS)
    return guest


async def delete(client: ApiClient, server_id: str) -> float:
    """Delete a guest; returns the seconds until it is gone."""
    began = time.perf_counter()
    await client.request("DELETE", "compute", f"/servers/{server_id}", expect=204)
    while (await client.request("GET", "compute", f"/servers/{server_id}")).status_code != 404:
        if time.perf_counter() - began > TIMEOUT_SECONDS:
            raise RuntimeError(f"server {server_id} is not gone {TIMEOUT_SECONDS} s after its deletion")
        await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter() - began


async def id_of(client: ApiClient, service: str, path: str, plural: str, name: str) -> str:
    """The id of the one of that name."""
    for one in (await client.get(service, path))[plural]:
        if one["name"] == name:
            return str(one["id"])
    raise RuntimeError(f"the cloud has no {name} among its {plural}; ./cloudctl post_deploy makes it")
