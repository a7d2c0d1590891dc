"""The lab that growth is measured in: one controller and many compute hosts that run the agent alone, with libvirt's test driver."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from cloudd.ctl import paths, playbook
from cloudd.ctl.playbook import Outcome

CONTROLLER = "ctl1"
LAB = CLOUD = "scale"
# The controller is number 11 of its networks, the computes follow it.
FIRST_NUMBER = 11
MOST_COMPUTES = 200
SSH_OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]

# What a host must not have in common with another, or gets from the cloud itself.
OWN_TRACES = (
    "etc/hostname", "etc/hosts", "etc/machine-id", "etc/ssh/ssh_host_*", "etc/cloudd", "etc/cloudd-packages",
    "etc/systemd/system/**/cloudd*", "var/lib/cloudd", "var/lib/systemd", "var/log/*", "var/cache/apt/*.bin",
    "opt/cloudd/current", "run/*", "tmp/*",
)  # fmt: skip


def compute_name(number: int) -> str:
    """The first compute is number 1."""
    return f"cmp{number:03}"


def inventory(computes: int, index: int, cache: Path, layers: dict[int, list[str]] | None = None) -> dict[str, Any]:
    """The inventory of a cloud with so many compute hosts, in the form of hosts.yml. `layers`: of some, what their disks are laid on."""
    prefix = f"10.{83 + index}"
    names = [CONTROLLER, *map(compute_name, range(1, computes + 1))]
    controller, members = {"hosts": {CONTROLLER: {}}}, {"hosts": {name: {} for name in names[1:]}}
    variables = {
        "lab_name": LAB,
        "lab_index": index,
        "lab_cache_directory": str(cache),
        "cloud_name": CLOUD,
        "cloud_networks": {
            "management": {"cidr": f"{prefix}.0.0/24"},
            "tunnel": {"cidr": f"{prefix}.1.0/24"},
            "external": {
                "cidr": f"{prefix}.2.0/24",
                "gateway": f"{prefix}.2.1",
                "allocation_pools": [{"start": f"{prefix}.2.230", "end": f"{prefix}.2.250"}],
            },
        },
        "api_address": f"{prefix}.0.{FIRST_NUMBER}",
        "external_interface": "external0",
        "mariadb_buffer_pool_mib": 96,
        # Compute hosts have no switch, but all else is as if they had.
        "ovn_chassis": [CONTROLLER],
        "ovn_over_network": True,
        # Nothing is to be started in this cloud.
        **{f"post_deploy_{kind}": [] for kind in ("flavors", "images", "networks", "routers")},
    }
    reached = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(cache / "ssh" / "id_ed25519"),
        "ansible_ssh_common_args": " ".join(["-o StrictHostKeyChecking=no", "-o UserKnownHostsFile=/dev/null", "-o LogLevel=ERROR"]),
        "ansible_host_key_checking": False,
    }
    idle = {
        "libvirt_uri": "test:///default",
        "base_packages": {"baremetal": ["ca-certificates", "ethtool", "iproute2", "kmod"], "compute": ["libvirt0"]},
    }
    groups = {"control": controller, "network": controller, "storage": controller, "compute": {**members, "vars": idle}}
    hosts: dict[str, dict[str, Any]] = {name: {"ansible_host": f"{prefix}.0.{FIRST_NUMBER + n}"} for n, name in enumerate(names)}
    for number, directories in (layers or {}).items():
        hosts[compute_name(number)]["lab_host_layers"] = directories
    planes = {"vars": reached, "children": {name: {} for name in groups}}
    return {"all": {"vars": variables, "hosts": hosts, "children": {**groups, "baremetal": planes}}}


class StepFailed(Exception):
    """A playbook that did not do what it should; the text is what it said."""


class Silence:
    """Takes what a playbook has to say of its tasks, and keeps it to itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def stage(self, name: str, done: float, total: float) -> None:
        """Nothing."""

    def task(self, name: str) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class ScaleLab:
    """The lab and its cloud. `computes` is how many compute hosts the inventory has."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.computes = 0
        self.directory = paths.CACHE / "bench" / LAB
        self.cache = paths.CACHE / "lab"
        self.model = paths.CACHE / "bench" / f"{LAB}-model"
        self._layers: dict[int, list[str]] = {}

    def run(self, name: str, *arguments: str) -> Outcome:
        """Run a playbook of the repository over the lab's inventory. Raises StepFailed."""
        outcome = playbook.run(paths.PLAYBOOKS / f"{name}.yml", ["-i", str(self.directory), *arguments], Silence())
        if not outcome.succeeded:
            # Where many hosts fail, they do for one reason.
            said = "\n".join(failure.text() for failure in outcome.failures[:3])
            raise StepFailed(f"{name} failed after {outcome.seconds:.0f} s (log {outcome.log}):\n{said}")
        return outcome

    def power_on(self, computes: int, *, bare: bool = True) -> None:
        """Have so many compute hosts in the inventory; those that are new are made and started, with no cloud on them.

        Unless they shall be bare, they have the packages and the version of the first compute, on whose disk theirs are laid.
        """
        if not bare:
            layers = self._model_layers()
            self._layers |= dict.fromkeys(range(self.computes + 1, computes + 1), layers)
        new = [compute_name(number) for number in range(self.computes + 1, computes + 1)]
        if not self.computes:
            new.append(CONTROLLER)
        self.directory.mkdir(parents=True, exist_ok=True)
        listed = inventory(computes, self.index, self.cache, self._layers)
        (self.directory / "hosts.yml").write_text(json.dumps(listed, indent=1))
        self.computes = computes
        self.run("lab_up", "--limit", ",".join(["localhost", *new]))

    def _model_layers(self) -> list[str]:
        """A copy of the first compute's disk, without what makes it that host and a member of the cloud, and under it its base root."""
        first = self.cache / "labs" / LAB / compute_name(1)
        if not self.model.exists():
            self.model.mkdir(parents=True)
            subprocess.run(["cp", "--archive", str(first / "upper"), str(self.model / "disk")], check=True)
            for pattern in OWN_TRACES:
                for path in list((self.model / "disk").glob(pattern)):
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink(missing_ok=True)
        return [str(self.model / "disk"), *(first / "base").read_text().splitlines()]

    def deploy(self) -> Outcome:
        """Bring all hosts of the inventory to the cloud."""
        return self.run("deploy")

    def add(self, first: int, last: int) -> Outcome:
        """Take compute hosts, which run already, into the cloud."""
        names = ",".join(compute_name(number) for number in range(first, last + 1))
        return self.run("add_host", "-e", f"host={names}")

    def entry(self) -> dict[str, Any]:
        """How clients reach the cloud, as post_deploy has written it."""
        return dict(yaml.safe_load(paths.CLOUDS_YAML.read_text())["clouds"][CLOUD])

    def on_host(self, name: str, command: str) -> str:
        """What a command says on a host of the lab."""
        address = inventory(self.computes, self.index, self.cache)["all"]["hosts"][name]["ansible_host"]
        words = ["ssh", "-i", str(self.cache / "ssh" / "id_ed25519"), *SSH_OPTIONS, f"root@{address}", command]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def processor_seconds(self, name: str) -> dict[str, float]:
        """By program, what the processes of a host have had of a processor so far."""
        spent: dict[str, float] = {}
        pids = subprocess.run(["ip", "netns", "pids", f"lab-{LAB}-{name}"], capture_output=True, text=True, check=True).stdout.split()
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except OSError:
                continue
            program = program_name(words)
            spent[program] = spent.get(program, 0.0) + (int(fields[11]) + int(fields[12])) / 100
        return spent

    def remove(self) -> None:
        """Take the lab down and forget the cloud; what an earlier run that was killed has left goes too."""
        try:
            if not (self.directory / "hosts.yml").exists():
                self.directory.mkdir(parents=True, exist_ok=True)
                (self.directory / "hosts.yml").write_text(json.dumps(inventory(0, self.index, self.cache)))
            self.run("lab_down")
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
            shutil.rmtree(self.model, ignore_errors=True)
            self.computes, self._layers = 0, {}
            forget_cloud()


def program_name(words: list[str]) -> str:
    """A process's program by its command line: `cloudd api`, `beam.smp`, `mariadbd`."""
    if "cloudd" in (Path(word).name for word in words[:2]):
        place = next(place for place, word in enumerate(words) if Path(word).name == "cloudd")
        return " ".join(["cloudd", *words[place + 1 : place + 2]])
    return re.sub(r"[^\w.+-].*", "", Path(words[0]).name) or "kernel"


def forget_cloud() -> None:
    """Take the lab's cloud out of clouds.yaml; without another one the file goes."""
    if not paths.CLOUDS_YAML.exists():
        return
    document = yaml.safe_load(paths.CLOUDS_YAML.read_text()) or {}
    if (document.get("clouds") or {}).pop(CLOUD, None) is None:
        return
    if not document["clouds"]:
        paths.CLOUDS_YAML.unlink()
        return
    scratch = paths.CLOUDS_YAML.with_name(".clouds.yaml.scale")
    scratch.touch(mode=0o600)
    scratch.write_text(yaml.safe_dump(document, sort_keys=False))
    scratch.replace(paths.CLOUDS_YAML)


def say(text: str) -> None:
    """Progress, beside the one object that standard output is for."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} bench: {text}\n")
    sys.stderr.flush()
