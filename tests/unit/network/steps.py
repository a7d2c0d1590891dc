"""What the network tests do again and again, through the API."""

from __future__ import annotations

import asyncio
from typing import Any

V2 = "/network/v2.0"


async def make(cloud: Any, collection: str, as_: str = "demo", status: int = 201, **values: Any) -> dict[str, Any]:
    """POST one resource and give it back (or the error's object)."""
    noun = collection.replace("-", "_").removesuffix("s")
    given = {key.replace("__", ":"): value for key, value in values.items()}
    answer = await cloud.request("POST", f"{V2}/{collection}", as_=as_, json={noun: given})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()[noun if status < 300 else "NeutronError"]
    return found


async def change(cloud: Any, collection: str, key: str, as_: str = "demo", status: int = 200, **values: Any) -> dict[str, Any]:
    noun = collection.replace("-", "_").removesuffix("s")
    answer = await cloud.request("PUT", f"{V2}/{collection}/{key}", as_=as_, json={noun: values})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()[noun if status < 300 else "NeutronError"]
    return found


async def show(cloud: Any, collection: str, key: str, as_: str = "demo", status: int = 200) -> dict[str, Any]:
    answer = await cloud.request("GET", f"{V2}/{collection}/{key}", as_=as_)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = next(iter(answer.json().values()))
    return found


async def find(cloud: Any, collection: str, query: str = "", as_: str = "demo", status: int = 200) -> list[dict[str, Any]]:
    answer = await cloud.request("GET", f"{V2}/{collection}{query}", as_=as_)
    assert answer.status_code == status, answer.text
    found: list[dict[str, Any]] = answer.json()[collection.replace("-", "_")]
    return found


async def drop(cloud: Any, collection: str, key: str, as_: str = "demo", status: int = 204) -> None:
    answer = await cloud.request("DELETE", f"{V2}/{collection}/{key}", as_=as_)
    assert answer.status_code == status, answer.text


async def interface(cloud: Any, router: str, verb: str = "add", as_: str = "demo", status: int = 200, **values: Any) -> dict[str, Any]:
    answer = await cloud.request("PUT", f"{V2}/routers/{router}/{verb}_router_interface", as_=as_, json=values)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def make_public(cloud: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The external network and its subnet, by the admin."""
    public = await make(
        cloud,
        "networks",
        "admin",
        name="public",
        router__external=True,
        provider__network_type="flat",
        provider__physical_network="external",
    )
    subnet = await make(
        cloud, "subnets", "admin", network_id=public["id"], cidr="192.0.2.0/24", ip_version=4, enable_dhcp=False,
        allocation_pools=[{"start": "192.0.2.100", "end": "192.0.2.150"}],
    )  # fmt: skip
    return public, subnet


async def make_private(cloud: Any, as_: str = "demo", cidr: str = "10.0.0.0/24") -> tuple[dict[str, Any], dict[str, Any]]:
    network = await make(cloud, "networks", as_, name="private")
    return network, await make(cloud, "subnets", as_, network_id=network["id"], cidr=cidr, ip_version=4)


async def settled(cloud: Any) -> None:
    """Wait until the engine has been told everything."""
    from cloudd.network.store.change import ChangeStore

    for _ in range(200):
        async with cloud.cloud.db.read() as tx:
            if await ChangeStore().count(tx) == 0:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("changes are left over")


def engine_of(cloud: Any) -> Any:
    """The fake engine of an embedded cloud."""
    service = next(item for item in cloud.process.services if item.name == "network")
    return service.dependencies["agents"]._driver
