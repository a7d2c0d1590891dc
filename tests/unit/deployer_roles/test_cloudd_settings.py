"""The settings that the role writes load in cloudd's own settings code, which refuses what it does not know."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from cloudd import assembly
from cloudd.kit.settings import Settings, SettingsError, sections
from tests.unit.deployer_roles.conftest import ROOT

HOST: dict[str, Any] = {
    "inventory_hostname": "c1",
    "group_names": ["baremetal", "compute", "control", "network", "storage"],
    "groups": {"baremetal": ["c1"], "control": ["c1"]},
    "api_address": "10.1.0.11",
    "host_networks": {
        "management": {"interface": "eth0", "address": "10.1.0.11", "prefix": 24, "mtu": 1500},
        "tunnel": {"interface": "eth1", "address": "10.1.1.11", "prefix": 24, "mtu": 9000},
    },
    "identity_token_keys": ["aaaa", "bbbb"],
    "database_password": "dd/dd",
    "bus_password": "eeee",
}
SEVERAL: dict[str, Any] = {
    "api_address": "10.1.0.10",
    "group_names": ["balanced", "baremetal", "clustered", "compute", "control", "network", "storage"],
    "groups": {"baremetal": ["c1", "c2", "c3"], "control": ["c3", "c1", "c2"]},
    "hostvars": {f"c{n}": {"host_networks": {"management": {"address": f"10.1.0.1{n}"}}} for n in (1, 2, 3)},
}


def rendered(file: str = "cloudd.yaml", **changes: Any) -> dict[str, Any]:
    loader = DataLoader()
    defaults = loader.load_from_file(str(ROOT / "roles/cloudd/defaults/main.yml"), trusted_as_template=True)
    private = loader.load_from_file(str(ROOT / "roles/cloudd/vars/main.yml"), trusted_as_template=True)
    tasks = loader.load_from_file(str(ROOT / "roles/cloudd/tasks/settings.yml"), trusted_as_template=True)
    content = next(task["settings_file"]["content"] for task in tasks if "settings_file" in task)
    variables = defaults | private | HOST | changes
    text = Templar(loader, variables | {"item": file}).template(content)
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def test_cloudd_takes_every_setting() -> None:
    assembly.declare_settings()
    values = rendered()
    settings = Settings(values)
    for name, kind in sections().items():
        if name in values:
            assert settings.section(kind)
    assert values["api"]["public_url"] == "https://10.1.0.11"
    assert values["api"]["port"] == 443
    assert values["identity"]["token_keys"] == ["aaaa", "bbbb"]


@pytest.mark.parametrize("file", ["cloudd.yaml", "worker.yaml", "agent.yaml"])
def test_cloudd_takes_every_setting_of_several_hosts(file: str) -> None:
    assembly.declare_settings()
    values = rendered(file, **SEVERAL)
    settings = Settings(values)
    for name, kind in sections().items():
        if name in values:
            assert settings.section(kind)
    if file != "agent.yaml":
        assert values["network"]["ovn_northbound"] == "ssl:10.1.0.11:6641,ssl:10.1.0.12:6641,ssl:10.1.0.13:6641"
    assert "10.1.0.11:5671,10.1.0.12:5671,10.1.0.13:5671/cloudd" in values["bus"]["url"]


def test_only_the_control_plane_knows_the_database() -> None:
    control, agent = rendered("cloudd.yaml", **SEVERAL), rendered("agent.yaml", **SEVERAL)
    assert control["database"] == {"url": "mysql://cloudd:dd%2Fdd@127.0.0.1:3306/cloudd", "ca_path": "/etc/cloudd/tls/ca.pem"}
    assert control["api"]["listen_address"] == "10.1.0.11"
    assert not {"database", "identity", "api"} & set(agent)
    assert "eeee" not in agent["bus"]["url"]


@pytest.mark.parametrize(("kind", "mtu"), [("vxlan", 8950), ("geneve", 8942)])
def test_tenant_mtu_leaves_room_for_the_tunnel(kind: str, mtu: int) -> None:
    assert rendered(ovn_encap_type=kind)["network"]["tenant_mtu"] == mtu


def test_settings_of_ones_own_come_over_the_others() -> None:
    values = rendered(cloudd_settings_extra={"log": {"level": "debug"}, "volume": {"driver": "file"}})
    assert values["log"]["level"] == "debug"
    assert values["volume"]["directory"] == "/var/lib/cloudd/volumes"


def test_a_setting_that_does_not_exist_is_refused() -> None:
    assembly.declare_settings()
    with pytest.raises(SettingsError, match="did you mean 'level'"):
        Settings(rendered(cloudd_settings_extra={"log": {"levle": "debug"}}))


FILES = ("cloudd.yaml", "worker.yaml", "agent.yaml")
COMPUTE: dict[str, Any] = SEVERAL | {"group_names": ["balanced", "baremetal", "clustered", "compute"]}
STORAGE: dict[str, Any] = SEVERAL | {"group_names": ["balanced", "baremetal", "clustered", "control", "storage"]}


@pytest.mark.parametrize(
    ("extra", "control", "compute"),
    [
        ({"api": {"drain_seconds": 9}}, {"cloudd.yaml"}, set()),
        ({"compute": {"build_timeout_seconds": 9}}, {"worker.yaml"}, set()),
        ({"network": {"quota_port": 9}}, {"cloudd.yaml", "worker.yaml"}, set()),
        ({"identity": {"token_lifetime_seconds": 9}}, {"cloudd.yaml", "worker.yaml"}, set()),
        ({"compute": {"cpu_mode": "maximum"}}, set(), {"agent.yaml"}),
        ({"volume": {"target_port": 9}}, {"agent.yaml"}, set()),
        ({"image": {"cache_limit_bytes": 9}}, {"cloudd.yaml", "worker.yaml", "agent.yaml"}, {"agent.yaml"}),
        ({"log": {"level": "debug"}}, {"cloudd.yaml", "worker.yaml", "agent.yaml"}, {"agent.yaml"}),
    ],
)
def test_an_option_changes_the_files_of_those_who_read_it(extra: dict[str, Any], control: set[str], compute: set[str]) -> None:
    def changed(host: dict[str, Any], files: tuple[str, ...]) -> set[str]:
        return {file for file in files if rendered(file, **host) != rendered(file, **host, cloudd_settings_extra=extra)}

    assert changed(STORAGE, FILES) == control
    assert changed(COMPUTE, ("agent.yaml",)) == compute
