"""Four bare lab hosts for which a cloud is planned and where none is: three controllers and a compute host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME, INDEX = "prechecks", 7
NETWORK = f"10.{83 + INDEX}"
HOSTS = {"one": 11, "two": 12, "three": 13, "four": 21}
CONTROLLERS = ("one", "two", "three")
VIRTUAL_ADDRESS, ROUTER_ID = f"{NETWORK}.0.10", 87
#: in the report of a failed run
FAILURE = re.compile(r"^  host +(\S+)  \[(\S+)\]\n  task +.*\n  reason +(.*)\n  remedy +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Failure:
    host: str
    code: str
    reason: str
    remedy: str


@dataclass
class Run:
    """How a run of the operator's command ended."""

    status: int
    said: str
    failures: list[Failure] = field(default_factory=list)

    def codes(self) -> set[tuple[str, str]]:
        return {(failure.host, failure.code) for failure in self.failures}

    def of(self, host: str, code: str) -> Failure:
        """The first failure of that host and code."""
        return next(failure for failure in self.failures if (failure.host, failure.code) == (host, code))


class BareLab:
    """The lab, by its inventory's directory."""

    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory
        variables = inventory / "group_vars" / "all"
        variables.mkdir(parents=True)
        settings = (ROOT / "inventory/lab-all-in-one/group_vars/all/lab.yml").read_text()
        settings = settings.replace("lab_name: all-in-one", f"lab_name: {NAME}").replace("lab_index: 0", f"lab_index: {INDEX}")
        (variables / "lab.yml").write_text(settings)
        ways = (ROOT / "inventory/lab-all-in-one/group_vars/baremetal/lab.yml").read_text()
        (inventory / "group_vars" / "baremetal").mkdir()
        (inventory / "group_vars" / "baremetal" / "lab.yml").write_text(ways)
        self.write("group_vars/all/cloud.yml", cloud_name=NAME, api_address=VIRTUAL_ADDRESS, keepalived_virtual_router_id=ROUTER_ID)
        self.write_hosts()

    def write(self, name: str, **variables: Any) -> Path:
        """Write variables into a file of the inventory."""
        path = self.inventory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(variables))
        return path

    def write_hosts(self, groups: dict[str, tuple[str, ...]] | None = None, *, hosts: Iterable[str] = HOSTS, **addresses: str) -> None:
        """Write the hosts' file: the hosts there are, who is in which plane if not as usual, and the addresses that are not their own."""
        planes = {"control": CONTROLLERS, "network": CONTROLLERS, "storage": CONTROLLERS, "compute": tuple(HOSTS)} | (groups or {})
        known: dict[str, dict[str, Any]] = {name: {"ansible_host": addresses.get(name, address_of(name))} for name in hosts}
        # So little that it can be filled.
        known.get("two", {})["lab_disk_gib"] = 8
        children: dict[str, Any] = {
            name: {"hosts": dict.fromkeys(member for member in members if member in known)} for name, members in planes.items()
        }
        children["baremetal"] = {"children": dict.fromkeys(planes)}
        self.write("hosts.yml", all={"hosts": known, "children": children})

    def playbook(self, name: str) -> None:
        """Run a playbook of the lab itself."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.inventory), f"playbooks/{name}.yml"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def cloudctl(self, verb: str, *flags: str, **environment: str) -> Run:
        """Run a verb of the operator's command."""
        command = [str(ROOT / "cloudctl"), verb, "-i", str(self.inventory), *flags]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        return Run(done.returncode, done.stdout, [Failure(*found) for found in FAILURE.findall(done.stdout)])

    def on(self, host: str, script: str) -> str:
        """Run a shell script on a host and return what it prints."""
        key = str(ROOT / ".cache/lab/ssh/id_ed25519")
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        done = subprocess.run(
            ["ssh", "-i", key, *quiet, f"root@{address_of(host)}", "bash -eu -s"], input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"on {host}: {done.stdout}{done.stderr}"
        return done.stdout

    def on_all(self, scripts: dict[str, str]) -> dict[str, str]:
        """Run a script on each of these hosts at once."""
        with ThreadPoolExecutor(len(scripts)) as pool:
            return dict(zip(scripts, pool.map(lambda host: self.on(host, scripts[host]), scripts), strict=True))


def address_of(host: str, network: int = 0) -> str:
    """A host's address in the management network (0) or the tunnel network (1)."""
    return f"{NETWORK}.{network}.{HOSTS[host]}"
