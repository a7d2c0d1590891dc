"""One of every resource that a project can own, made through the APIs; for the tests of isolation."""

from __future__ import annotations

from typing import Any

import httpx

#: path segment → key in ``Belongings.ids``
SEGMENTS = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "routers": "router",
    "floatingips": "floatingip",
    "security-groups": "security_group",
    "security-group-rules": "rule",
    "subnetpools": "subnetpool",
    "images": "image",
    "volumes": "volume",
    "snapshots": "snapshot",
    "servers": "server",
    "os-keypairs": "keypair",
    "os-server-groups": "server_group",
    "attachments": "attachment",
    "os-volume-transfer": "transfer",
    "allocations": "server",
    "users": "user",
}
#: How each is shown by its owner.
SHOWN = {
    "network": "/network/v2.0/networks",
    "subnet": "/network/v2.0/subnets",
    "port": "/network/v2.0/ports",
    "router": "/network/v2.0/routers",
    "floatingip": "/network/v2.0/floatingips",
    "security_group": "/network/v2.0/security-groups",
    "rule": "/network/v2.0/security-group-rules",
    "image": "/image/v2/images",
    "volume": "/volume/v3/volumes",
    "snapshot": "/volume/v3/snapshots",
    "server": "/compute/v2.1/servers",
    "keypair": "/compute/v2.1/os-keypairs",
}


class Belongings:
    """``ids`` by noun, and the owner's name."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.ids: dict[str, str] = {}

    @classmethod
    async def make(cls, cloud: Any, owner: str) -> Belongings:
        self = cls(owner)

        async def post(path: str, noun: str, body: dict[str, Any], as_: str = owner) -> dict[str, Any]:
            answer = await cloud.request("POST", path, as_=as_, json={noun: body})
            assert answer.status_code in (200, 201, 202), f"{path}: {answer.status_code} {answer.text}"
            return dict(answer.json()[noun])

        outside = await post("/network/v2.0/networks", "network", {"name": "outside", "router:external": True}, "admin")
        await post(
            "/network/v2.0/subnets",
            "subnet",
            {"network_id": outside["id"], "ip_version": 4, "cidr": "198.51.100.0/24", "enable_dhcp": False},
            "admin",
        )
        network = await post("/network/v2.0/networks", "network", {"name": "demo-network"})
        subnet = await post("/network/v2.0/subnets", "subnet", {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"})
        router = await post(
            "/network/v2.0/routers", "router", {"name": "demo-router", "external_gateway_info": {"network_id": outside["id"]}}
        )
        added = await cloud.request(
            "PUT", f"/network/v2.0/routers/{router['id']}/add_router_interface", as_=owner, json={"subnet_id": subnet["id"]}
        )
        assert added.status_code == 200, added.text
        group = await post("/network/v2.0/security-groups", "security_group", {"name": "demo-group"})
        rule = await post(
            "/network/v2.0/security-group-rules",
            "security_group_rule",
            {"security_group_id": group["id"], "direction": "ingress", "protocol": "icmp"},
        )
        port = await post("/network/v2.0/ports", "port", {"network_id": network["id"], "name": "demo-port"})
        floating = await post("/network/v2.0/floatingips", "floatingip", {"floating_network_id": outside["id"]})
        image = (
            await cloud.request(
                "POST", "/image/v2/images", as_=owner, json={"name": "demo-image", "disk_format": "raw", "container_format": "bare"}
            )
        ).json()
        stored = await cloud.request(
            "PUT",
            f"/image/v2/images/{image['id']}/file",
            as_=owner,
            content=b"\0" * 65536,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert stored.status_code == 204, stored.text
        volume = await post("/volume/v3/volumes", "volume", {"size": 1, "name": "demo-volume"})
        await cloud.settle()
        snapshot = await post("/volume/v3/snapshots", "snapshot", {"volume_id": volume["id"], "name": "demo-snapshot"})
        flavor = await post("/compute/v2.1/flavors", "flavor", {"name": "f1", "ram": 64, "vcpus": 1, "disk": 1}, "admin")
        await post("/compute/v2.1/os-keypairs", "keypair", {"name": "demo-key"})
        server = await post(
            "/compute/v2.1/servers",
            "server",
            {
                "name": "demo-server",
                "imageRef": image["id"],
                "flavorRef": flavor["id"],
                "networks": [{"uuid": network["id"]}],
                "metadata": {"a": "b"},
            },
        )
        await cloud.settle()
        self.ids = {
            "network": network["id"],
            "subnet": subnet["id"],
            "router": router["id"],
            "security_group": group["id"],
            "rule": rule["id"],
            "port": port["id"],
            "floatingip": floating["id"],
            "image": image["id"],
            "volume": volume["id"],
            "snapshot": snapshot["id"],
            "server": server["id"],
            "keypair": "demo-key",
        }
        return self

    def fill(self, service: str, path: str) -> str | None:
        """The path with the owner's ids, where at least one of them is in it; else None."""
        parts, hit = path.split("/"), False
        for i, part in enumerate(parts):
            if not part.startswith("{"):
                continue
            noun = SEGMENTS.get(parts[i - 1])
            mine = self.ids.get(noun) if noun and not (service == "identity" or noun == "keypair") else None
            hit |= mine is not None
            parts[i] = mine or "x"
        return "/".join(parts) if hit else None

    async def snapshot(self, cloud: Any) -> dict[str, Any]:
        """Everything as its owner sees it."""
        seen = {}
        for noun, base in SHOWN.items():
            answer = await cloud.request("GET", f"{base}/{self.ids[noun]}", as_=self.owner)
            assert answer.status_code == 200, f"{noun}: {answer.status_code} {answer.text}"
            seen[noun] = answer.json()
        return seen

    def is_empty(self, answer: httpx.Response) -> bool:
        """Whether a 2xx says nothing of the owner's: an empty list."""
        return not any(key in answer.text for key in self.ids.values()) and all(not value for value in answer.json().values())
