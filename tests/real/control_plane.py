"""A cloud whose control hosts come and go: the inventory, the operator's verbs, and what every engine's members know of each other."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import openstack
import yaml

from tests.faults.lab import Host, Lab
from tests.real.lab_traces import traces
from tests.real.quickstart import BIN, ROOT

CONTROLLERS = {f"ctl{number}": 10 + number for number in range(1, 6)}
COMPUTES = {"cmp1": 21}
PLANES = ("control", "network", "compute", "storage", "monitoring")
#: Prints {engine: what this host's member knows of the others}, as JSON.
CLUSTERS = r"""
sql() { mariadb --batch --skip-column-names --execute "SHOW GLOBAL STATUS LIKE '$1'" | cut -f2; }
ovn() { ovn-appctl --timeout=5 -t /run/ovn/ovn$1_db.ctl cluster/status $2 | grep -cE '^    [0-9a-f]{4} \('; }
printf '{"galera": ["%s", %s]' "$(sql wsrep_local_state_comment)" "$(sql wsrep_cluster_size)"
printf ', "northbound": %s, "southbound": %s' "$(ovn nb OVN_Northbound)" "$(ovn sb OVN_Southbound)"
printf ', "bus": %s' "$(rabbitmqctl --quiet cluster_status --formatter json)"
printf ', "queues": %s' "$(rabbitmqctl --quiet list_queues --vhost cloudd --formatter json name type members)"
balancer() { echo show stat | socat - /run/haproxy/admin.sock | awk -F, '/^(api|database),/ { print $1 "/" $2 "=" $18 }' | xargs; }
printf ', "balancer": "%s"' "$(balancer)"
printf ', "chassis": %s' "$(ovn-sbctl --no-leader-only --format=json --columns=name,hostname list Chassis)"
printf ', "gateways": "%s"' "$(ovn-nbctl --no-leader-only --bare --columns=chassis_name list HA_Chassis | sort --unique | xargs)"
printf ', "addresses": "%s"}' "$(ip -brief -4 address show host0)"
"""
#: What a host has of a cloud, before a last word that says it was there to ask.
REMAINS = (
    "ls -d /etc/cloudd /opt/cloudd /var/lib/cloudd /var/lib/mysql /var/lib/rabbitmq /var/lib/ovn /etc/haproxy /etc/keepalived 2>/dev/null; "
    "systemctl list-units --plain --no-legend --state=active 'cloudd*' 'mariadb*' 'galera*' 'rabbitmq*' 'ovn*' 'haproxy*' 'keepalived*'; "
    "ip -brief link | grep -E '^(br-|ovs-|tap)'; echo looked"
)
BARE = "looked\n"


class ControlPlane:
    """A lab of that name and index, and the cloud on those of its hosts that the inventory names."""

    def __init__(self, directory: Path, name: str, index: int, *controllers: str) -> None:
        self.name, self.index = name, index
        self.inventory = directory / name
        self.name_hosts(*controllers)

    def name_hosts(self, *controllers: str) -> None:
        """Write the inventory: these controllers in this order, and the compute hosts."""
        settings = self.inventory / "group_vars"
        if not settings.exists():
            shutil.copytree(ROOT / "inventory" / "lab-ha" / "group_vars", settings)
            own = {
                "lab_name: ha": f"lab_name: {self.name}",
                "lab_index: 1": f"lab_index: {self.index}",
                "cloud_name: lab-ha": f"cloud_name: {self.name}",
            }
            for path in (settings / "all" / "lab.yml", settings / "all" / "cloud.yml"):
                text = path.read_text()
                for theirs, ours in own.items():
                    text = text.replace(theirs, ours)
                path.write_text(text)
        numbers = {name: CONTROLLERS[name] for name in controllers} | COMPUTES
        members: dict[str, Any] = {plane: {"hosts": dict.fromkeys(controllers)} for plane in ("control", "network", "storage")}
        members |= {"compute": {"hosts": dict.fromkeys(COMPUTES)}, "monitoring": None}
        hosts = {name: {"ansible_host": f"10.{83 + self.index}.0.{number}"} for name, number in numbers.items()}
        groups = members | {"baremetal": {"children": dict.fromkeys(PLANES)}}
        (self.inventory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}, sort_keys=False))

    def run(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a verb as an operator does."""
        command = [str(ROOT / "cloudctl"), verb, "-i", str(self.inventory), *words]
        started = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        print(f"{verb} {' '.join(words)}: {time.monotonic() - started:.0f} s")
        return done

    def must(self, verb: str, *words: str) -> str:
        done = self.run(verb, *words)
        assert done.returncode == 0, f"{verb} {' '.join(words)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def settle(self) -> None:
        """A deployment that finds nothing to do."""
        said = self.must("deploy")
        assert re.search(r"changed=0\b", said), said

    def play(self, playbook: str) -> None:
        command = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), f"playbooks/{playbook}.yml"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr

    @property
    def lab(self) -> Lab:
        return Lab(self.inventory)

    def on(self, *hosts: str, command: str) -> list[str]:
        """What a command prints on each of these hosts of the lab, the inventory's or not."""
        there = [Host(name, f"10.{83 + self.index}.0.{(CONTROLLERS | COMPUTES)[name]}", frozenset()) for name in hosts]

        async def ask() -> list[str]:
            return await asyncio.gather(*(self.lab.on(host, command, timeout_seconds=60) for host in there))

        return asyncio.run(ask())

    def power_off(self, *names: str) -> None:
        asyncio.run(self.lab.power_off(*(self.lab.hosts[name] for name in names)))

    def power_on(self, *names: str) -> None:
        asyncio.run(self.lab.power_on(*(self.lab.hosts[name] for name in names)))

    def faults(self, controllers: tuple[str, ...]) -> list[str]:
        """How the clusters differ from what they should be with these controllers; empty when all is well."""
        nodes, found = {f"rabbit@{name}" for name in controllers}, []
        told = [parsed(text) for text in self.on(*controllers, command=CLUSTERS)]
        for name, one in zip(controllers, told, strict=True):
            if one is None:
                return [f"{name} does not answer"]
            up = {f"{part}/{server}=UP" for part in ("api", "database") for server in (*controllers, "BACKEND")}
            up |= {f"{part}/FRONTEND=OPEN" for part in ("api", "database")}
            chassis = dict(one["chassis"]["data"])
            checks = {
                "Galera": one["galera"] == ["Synced", len(controllers)],
                "the bus": set(one["bus"]["disk_nodes"]) == set(one["bus"]["running_nodes"]) == nodes,
                "queues": all(set(queue["members"]) == nodes for queue in one["queues"] if queue["type"] == "quorum"),
                # A database of one host alone is no cluster.
                "OVN": {one["northbound"], one["southbound"]} == {len(controllers) if len(controllers) > 1 else 0},
                "chassis": set(chassis.values()) == {*controllers, *COMPUTES},
                "gateways": {chassis.get(gateway) for gateway in one["gateways"].split()} == set(controllers),
                "HAProxy": set(one["balancer"].split()) == up,
            }
            found += [f"{name}: {check}: {one}" for check, well in checks.items() if not well]
        holders = [one for one in told if one and f"10.{83 + self.index}.0.10/32" in one["addresses"]]
        return found + ([] if len(holders) == 1 else [f"{len(holders)} hosts hold the virtual address"])

    def assert_well(self, *controllers: str) -> None:
        """Clusters, health and what the API answers."""
        deadline = time.monotonic() + 120
        while found := self.faults(controllers):
            assert time.monotonic() < deadline, "\n".join(found)
            time.sleep(2)
        assert "well" in self.must("check")
        self.assert_answers()

    def assert_answers(self) -> None:
        """The catalog, and writes in every service that keeps something on controllers."""
        connection = openstack.connect(cloud=self.name, load_envvars=False)
        assert {one.host: one.state for one in connection.compute.services()} == dict.fromkeys(COMPUTES, "up")
        network = connection.network.create_network(name="of-members")
        connection.network.delete_network(network.id)
        image = connection.image.create_image(name="of-members", disk_format="raw", container_format="bare", data=b"members" * 1000)
        assert connection.image.get_image(image.id).status == "active"
        connection.image.delete_image(image.id)


def parsed(text: str) -> dict[str, Any] | None:
    """What a host told by CLUSTERS; None as long as something on it does not answer."""
    with suppress(json.JSONDecodeError):
        return dict(json.loads(text))
    return None


@contextmanager
def deployed(cloud: ControlPlane, *controllers: str) -> Iterator[ControlPlane]:
    """The lab of all its hosts, and the cloud on these controllers of it; in the end neither is left."""
    cloud.play("lab_down")
    try:
        cloud.play("lab_up")
        cloud.name_hosts(*controllers)
        for verb in ("deploy", "guest_images", "post_deploy"):
            cloud.must(verb)
        yield cloud
    finally:
        cloud.run("destroy", "--yes-i-really-really-mean-it")
        cloud.play("lab_down")
    assert not traces(cloud.name, cloud.index), "the lab left something behind"
