"""The lab under a cloud, as faults see it: hosts by name and group, their power, their processes, the wires between them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.real.quickstart import BIN, LAB_KEY, ROOT, SSH_OPTIONS

TABLE = "cloud_fault"


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    groups: frozenset[str]

    @property
    def number(self) -> str:
        """The host's number in every network of the lab."""
        return self.address.rpartition(".")[2]


class Lab:
    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory

    @cached_property
    def _listing(self) -> dict[str, Any]:
        command = [str(BIN / "ansible-inventory"), "-i", str(self.inventory), "--list"]
        environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return dict(json.loads(done.stdout))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The inventory's variables, as any of its hosts sees them; those that refer to others are resolved."""
        name = next(iter(self._listing["_meta"]["hostvars"]))
        command = [str(BIN / "ansible"), "-i", str(self.inventory), name, "-c", "local", "-m", "ansible.builtin.debug", "-o"]
        wanted = (
            "{'address': ansible_host, 'api_address': api_address, 'cloud_name': cloud_name, 'lab_index': lab_index, 'lab_name': lab_name}"
        )
        environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        addresses = "dict(groups['all'] | zip(groups['all'] | map('extract', hostvars, 'ansible_host')))"
        expression = f"msg={{{{ {wanted} | combine({{'addresses': {addresses}}}) }}}}"
        done = subprocess.run([*command, "-a", expression], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout[done.stdout.index("{") :])["msg"])

    @cached_property
    def hosts(self) -> dict[str, Host]:
        groups = {name: set(entry.get("hosts", [])) for name, entry in self._listing.items() if name != "_meta"}
        addresses: dict[str, str] = self.variables["addresses"]
        return {
            name: Host(name, address, frozenset(group for group, members in groups.items() if name in members))
            for name, address in addresses.items()
        }

    def in_group(self, group: str) -> list[Host]:
        return [host for host in self.hosts.values() if group in host.groups]

    async def on(self, host: Host, command: str, timeout_seconds: float = 20) -> str:
        """Run a shell command on a host and return what it prints; a failure is an empty answer, for the host may be down."""
        control = ["-o", "ControlMaster=auto", "-o", f"ControlPath=/tmp/cloud-fault-{host.name}-%C", "-o", "ControlPersist=60"]
        words = ["ssh", *SSH_OPTIONS, *control, "-o", "ConnectTimeout=3", "-i", str(LAB_KEY), f"root@{host.address}", command]
        # ssh makes its standard input non-blocking, which may be ours, and Ansible wants a blocking one.
        process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout_seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            return ""
        return output.decode() if process.returncode == 0 else ""

    async def power_off(self, *hosts: Host) -> None:
        """Pull the power cords; nothing inside is asked."""
        await self._reboot("power_off", hosts)

    async def power_on(self, *hosts: Host) -> None:
        await self._reboot("reset", hosts)

    async def _reboot(self, mode: str, hosts: tuple[Host, ...]) -> None:
        limit = ",".join(host.name for host in hosts)
        command = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), "playbooks/lab_reboot.yml"]
        await _run(*command, "-e", f"lab_reboot_mode={mode}", "--limit", f"{limit},localhost")

    async def cut(self, ones: list[Host], others: list[Host], *, both_ways: bool = True) -> None:
        """Drop what the ones send to the others, on the management and the tunnel network; and what comes back, unless told otherwise."""
        index = self.variables["lab_index"]
        pairs = [(one, other) for one in ones for other in others]
        pairs += [(other, one) for one, other in pairs] if both_ways else []
        rules = [
            f'add rule bridge {TABLE} forward iifname "{wire}-{one.number}" oifname "{wire}-{other.number}" drop'
            for wire in (f"lab{index}-mgmt", f"lab{index}-tun")
            for one, other in pairs
        ]
        chain = f"add chain bridge {TABLE} forward {{ type filter hook forward priority 0 ; }}"
        await _run("nft", "\n".join([f"add table bridge {TABLE}", chain, *rules]))

    async def join(self) -> None:
        """Mend every cut."""
        await _run("nft", f"add table bridge {TABLE}\ndelete table bridge {TABLE}")


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    assert process.returncode == 0, f"{' '.join(command)}: {output.decode()[-1500:]}"
