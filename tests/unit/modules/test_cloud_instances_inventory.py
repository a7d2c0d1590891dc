"""The inventory plugin on the fake cloud: hosts, groups, addresses and cache, as Ansible's own inventory code sees them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import openstack
import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader

ROOT = pathlib.Path(__file__).resolve().parents[3]
WEB = {"flavor": "tiny", "image": "tiny", "networks": [{"network": "private"}]}


@pytest.fixture(scope="module", autouse=True)
def _plugin_path() -> None:
    init_plugin_loader([])
    inventory_loader.add_directory(str(ROOT / "plugins" / "inventory"))


@pytest.fixture
def read(cloud: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write the plugin's file with these options and return what Ansible makes of it."""
    cloud.current_project = SimpleNamespace(id="project-1", name="demo")
    cloud.identity = SimpleNamespace(projects=lambda: [SimpleNamespace(id="project-1", name="all of it")])
    cloud.asked = 0

    def connect(**options: Any) -> Any:
        cloud.asked += 1
        return cloud

    monkeypatch.setattr(openstack, "connect", connect)

    def parse(**options: Any) -> InventoryManager:
        path = tmp_path / "cloud_instances.yml"
        path.write_text(yaml.safe_dump({"plugin": "cloud_instances", "cloud": "quickstart", **options}))
        return InventoryManager(loader=DataLoader(), sources=[str(path)])

    return parse


def members(inventory: InventoryManager, group: str) -> list[str]:
    return sorted(host.name for host in inventory.groups[group].hosts) if group in inventory.groups else []


def test_groups_by_project_status_metadata_and_tag(run: Any, read: Any) -> None:
    run("cloud_instance", name="a", **WEB, metadata={"role": "web", "tier 1": ""}, tags=["blue-green"])
    run("cloud_instance", name="b", **WEB, metadata={"role": "db"}, state="stopped")
    inventory = read(statuses=[])
    assert members(inventory, "project_demo") == ["a", "b"]
    assert members(inventory, "status_active") == ["a"]
    assert members(inventory, "status_shutoff") == ["b"]
    assert members(inventory, "role_web") == ["a"]
    assert members(inventory, "role_db") == ["b"]
    assert members(inventory, "tier_1") == ["a"]
    assert members(inventory, "tag_blue_green") == ["a"]


def test_only_running_ones_unless_told(run: Any, read: Any) -> None:
    run("cloud_instance", name="a", **WEB)
    run("cloud_instance", name="b", **WEB, state="stopped")
    assert sorted(read().hosts) == ["a"]
    assert sorted(read(statuses=["shutoff"]).hosts) == ["b"]


def test_address_is_the_floating_ip_or_the_fixed_one(run: Any, read: Any) -> None:
    run("cloud_instance", name="a", **WEB, auto_floating_ip=True)
    run("cloud_instance", name="b", **{**WEB, "networks": [{"network": "private"}, {"network": "backend", "fixed_ip": "10.9.0.5"}]})
    hosts = read().hosts
    assert hosts["a"].vars["ansible_host"].startswith("203.0.113.")
    assert hosts["b"].vars["ansible_host"].startswith("10.0.0.")
    assert read(address="fixed").hosts["a"].vars["ansible_host"].startswith("10.0.0.")
    assert read(network="backend").hosts["b"].vars["ansible_host"] == "10.9.0.5"
    assert "ansible_host" not in read(network="backend").hosts["a"].vars


def test_namesakes_are_told_apart(run: Any, read: Any, cloud: Any) -> None:
    run("cloud_instance", name="a", **WEB)
    cloud.compute.create_server(name="a", flavor_id="flavor-tiny", image_id="image-tiny", networks="auto")
    assert sorted(read(statuses=[]).hosts) == ["a-server-1", "a-server-2"]
    assert sorted(read(host_name="id").hosts) == ["server-1"]


def test_constructed_options(run: Any, read: Any) -> None:
    run("cloud_instance", name="a", **WEB)
    inventory = read(
        keyed_groups=[{"key": "cloud_instance.flavor", "prefix": "flavor"}],
        groups={"small_ones": "cloud_instance.flavor == 'tiny'"},
        compose={"ansible_user": "'root'"},
    )
    assert members(inventory, "flavor_tiny") == ["a"]
    assert members(inventory, "small_ones") == ["a"]
    assert inventory.hosts["a"].vars["ansible_user"] == "root"


def test_projects_of_others(run: Any, read: Any) -> None:
    run("cloud_instance", name="a", **WEB)
    assert members(read(all_projects=True), "project_all_of_it") == ["a"]


def test_cache_spares_the_cloud(run: Any, read: Any, cloud: Any, tmp_path: pathlib.Path) -> None:
    run("cloud_instance", name="a", **WEB)
    cached = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    for _ in range(2):
        assert sorted(read(**cached).hosts) == ["a"]
    assert cloud.asked == 1
    read()
    assert cloud.asked == 2


def test_an_unreachable_cloud_is_told(read: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(**options: Any) -> Any:
        raise openstack.exceptions.ConfigException("Cloud quickstart was not found.")

    monkeypatch.setattr(openstack, "connect", refuse)
    assert list(read().hosts) == []
    assert "Check clouds.yaml" in "".join(capsys.readouterr())


def test_other_files_are_left_alone(read: Any, tmp_path: pathlib.Path) -> None:
    plugin = inventory_loader.get("cloud_instances")
    other = tmp_path / "hosts.yml"
    other.write_text("all: {}")
    mine = tmp_path / "prod.cloud_instances.yml"
    mine.write_text("plugin: cloud_instances")
    assert not plugin.verify_file(str(other))
    assert plugin.verify_file(str(mine))


def test_the_command_line_finds_it(tmp_path: pathlib.Path) -> None:
    """As a command of its own: this process has already been told where module_utils are."""
    path = tmp_path / "cloud_instances.yml"
    path.write_text(yaml.safe_dump({"plugin": "cloud_instances", "cloud": "none-such"}))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = [str(pathlib.Path(sys.executable).with_name("ansible-inventory")), "-i", str(path), "--list"]
    listed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "The instances of cloud none-such cannot be listed" in listed.stderr
