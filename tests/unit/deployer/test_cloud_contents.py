"""What a new cloud gets first is made once, mended when it differs, and foretold in check mode."""

from __future__ import annotations

import copy
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

WISHES: dict[str, Any] = {
    "flavors": [{"name": "tiny", "vcpus": 1, "ram_mib": 128, "disk_gib": 1}],
    "images": [{"name": "tiny", "path": "", "disk_format": "qcow2"}, {"name": "debian", "path": "/nonexistent", "disk_format": "qcow2"}],
    "networks": [
        {
            "name": "public",
            "external": True,
            "physical_network": "external",
            "subnet": {
                "name": "public",
                "cidr": "10.0.2.0/24",
                "gateway": "10.0.2.1",
                "dhcp": False,
                "allocation_pools": [{"start": "10.0.2.10", "end": "10.0.2.20"}],
            },
        },
        {"name": "private", "subnet": {"name": "private", "cidr": "10.1.0.0/24"}},
    ],
    "routers": [{"name": "router", "gateway": "public", "subnets": ["private"]}],
}


class FakeCloud:
    """The SDK's calls that the module makes, over lists in memory; stands for compute, image and network at once."""

    def __init__(self) -> None:
        self.compute = self.image = self.network = self
        self.kept: dict[str, list[Any]] = {kind: [] for kind in ("flavor", "image", "network", "subnet", "router", "port")}

    def put(self, kind: str, **fields: Any) -> Any:
        made = SimpleNamespace(id=f"{kind}-{len(self.kept[kind])}", **fields)
        self.kept[kind].append(made)
        return made

    def find(self, kind: str, name: str) -> Any:
        return next((one for one in self.kept[kind] if one.name == name), None)

    def flavors(self) -> list[Any]:
        return self.kept["flavor"]

    def create_flavor(self, **fields: Any) -> Any:
        return self.put("flavor", **fields)

    def delete_flavor(self, flavor: str) -> None:
        self.kept["flavor"] = [one for one in self.kept["flavor"] if one.id != flavor]

    def images(self, name: str) -> list[Any]:
        return [one for one in self.kept["image"] if one.name == name]

    def create_image(self, name: str, filename: str, **fields: Any) -> Any:
        digest = hashlib.sha512(Path(filename).read_bytes()).hexdigest()
        return self.put("image", name=name, hash_value=digest, status="active", **fields)

    def delete_image(self, image: str) -> None:
        self.kept["image"] = [one for one in self.kept["image"] if one.id != image]

    def find_network(self, name: str) -> Any:
        return self.find("network", name)

    def create_network(self, **fields: Any) -> Any:
        return self.put("network", **fields)

    def find_subnet(self, name: str, network_id: str | None = None) -> Any:
        return self.find("subnet", name)

    def create_subnet(self, **fields: Any) -> Any:
        return self.put("subnet", **({"gateway_ip": None, "allocation_pools": [], "dns_nameservers": []} | fields))

    def update_subnet(self, subnet: str, **fields: Any) -> None:
        vars(next(one for one in self.kept["subnet"] if one.id == subnet)).update(fields)

    def find_router(self, name: str) -> Any:
        return self.find("router", name)

    def create_router(self, **fields: Any) -> Any:
        return self.put("router", **fields)

    def add_interface_to_router(self, router: str, subnet_id: str) -> None:
        self.put("port", device_id=router, fixed_ips=[{"subnet_id": subnet_id}])

    def ports(self, device_id: str) -> list[Any]:
        return [one for one in self.kept["port"] if one.device_id == device_id]


@pytest.fixture(scope="module")
def contents(load: Callable[[str], ModuleType]) -> ModuleType:
    module = load("library/cloud_contents.py")
    assert "ansible.module_utils.cloud_session" in sys.modules
    return module


@pytest.fixture
def wishes(tmp_path: Path) -> dict[str, Any]:
    image = tmp_path / "tiny.qcow2"
    image.write_bytes(b"QFI")
    wanted = copy.deepcopy(WISHES)
    wanted["images"][0]["path"] = str(image)
    return wanted


def test_made_once(contents: ModuleType, wishes: dict[str, Any]) -> None:
    cloud = FakeCloud()
    first = contents.furnish(cloud, wishes, False)
    assert first["changed"]
    assert {kind: [one.name for one in cloud.kept[kind]] for kind in ("flavor", "image", "network", "subnet", "router")} == {
        "flavor": ["tiny"],
        "image": ["tiny"],
        "network": ["public", "private"],
        "subnet": ["public", "private"],
        "router": ["router"],
    }
    assert contents.furnish(cloud, wishes, False) == {"changed": False, "actions": []}


def test_foretold_and_not_made(contents: ModuleType, wishes: dict[str, Any]) -> None:
    cloud = FakeCloud()
    told = contents.furnish(cloud, wishes, True)
    assert not any(cloud.kept.values())
    assert told == contents.furnish(cloud, wishes, False)


def test_a_new_image_file_replaces_the_image(contents: ModuleType, wishes: dict[str, Any]) -> None:
    cloud = FakeCloud()
    contents.furnish(cloud, wishes, False)
    Path(wishes["images"][0]["path"]).write_bytes(b"QFI newer")
    assert len(contents.furnish(cloud, wishes, False)["actions"]) == 2
    assert len(cloud.kept["image"]) == 1
    assert not contents.furnish(cloud, wishes, False)["changed"]


def test_differences_are_mended(contents: ModuleType, wishes: dict[str, Any]) -> None:
    cloud = FakeCloud()
    contents.furnish(cloud, wishes, False)
    wishes["flavors"][0]["ram_mib"] = 256
    wishes["networks"][0]["subnet"]["allocation_pools"] = [{"start": "10.0.2.30", "end": "10.0.2.40"}]
    actions = contents.furnish(cloud, wishes, False)["actions"]
    assert actions == ["remove flavor tiny of other sizes", "make flavor tiny", "change subnet public: allocation_pools"]
    assert cloud.kept["flavor"][0].ram == 256


def test_a_subnet_of_another_range_is_refused(contents: ModuleType, wishes: dict[str, Any]) -> None:
    cloud = FakeCloud()
    contents.furnish(cloud, wishes, False)
    wishes["networks"][1]["subnet"]["cidr"] = "10.9.0.0/24"
    with pytest.raises(contents.Refusal, match=r"10\.9\.0\.0/24"):
        contents.furnish(cloud, wishes, False)
