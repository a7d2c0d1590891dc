"""The cloud under test as the real tests use it: by clients that no one here wrote, and over ssh on its hosts.

It is the quickstart's, or that of the inventory which CLOUD_UNDER_TEST names: `CLOUD_UNDER_TEST=lab-ha ./cloudctl test real …`.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import openstack
import yaml

ROOT = Path(__file__).resolve().parents[2]
CLOUDS_YAML = ROOT / "clouds.yaml"
BIN = Path(sys.executable).parent
LAB_KEY = ROOT / ".cache" / "lab" / "ssh" / "id_ed25519"
INVENTORY = ROOT / "inventory" / os.environ.get("CLOUD_UNDER_TEST", "lab-all-in-one")
CLOUD: str = yaml.safe_load((INVENTORY / "group_vars" / "all" / "cloud.yml").read_text())["cloud_name"]
SSH_OPTIONS = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]


def host_addresses() -> dict[str, str]:
    """The management address of every host of the cloud, by name."""
    hosts = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["all"]["hosts"]
    lab = yaml.safe_load((INVENTORY / "group_vars" / "all" / "lab.yml").read_text())
    return {name: jinja2.Template(host["ansible_host"]).render(lab_index=lab["lab_index"]) for name, host in hosts.items()}


class ClientError(AssertionError):
    """A client's command failed; the text is what it said."""


def is_living() -> bool:
    """Whether clouds.yaml names the cloud and its API gives a token."""
    if not CLOUDS_YAML.exists() or CLOUD not in yaml.safe_load(CLOUDS_YAML.read_text()).get("clouds", {}):
        return False
    try:
        return bool(openstack.connect(cloud=CLOUD, load_envvars=False).authorize())
    except Exception:
        return False


def cloudctl(*words: str) -> str:
    """Run a verb that must succeed, as an operator does; returns what it prints."""
    done = subprocess.run([str(ROOT / "cloudctl"), *words], cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"./cloudctl {' '.join(words)}:\n{done.stdout[-3000:]}\n{done.stderr[-1500:]}"
    return done.stdout


class Quickstart:
    """The cloud: `openstack` runs the client, `connection` is the SDK's, `on_host` runs a command on the host."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = yaml.safe_load(CLOUDS_YAML.read_text())["clouds"][CLOUD]
        self.auth_url: str = self.settings["auth"]["auth_url"]
        self.host_address = str(urlsplit(self.auth_url).hostname)
        self.hosts = host_addresses()
        self.environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(CLOUDS_YAML), "OS_CLOUD": CLOUD, "PYTHONWARNINGS": "ignore"}

    @functools.cached_property
    def connection(self) -> Any:
        """A connection of openstacksdk, as the administrator."""
        return openstack.connect(cloud=CLOUD, load_envvars=False)

    def openstack(self, *words: str) -> Any:
        """Run `openstack --os-cloud CLOUD WORDS` and return its answer: parsed where the command can answer in JSON, else text."""
        # `list`, `show` and `create` know -f json; `add`, `set` and `delete` answer nothing.
        shows = any(word in {"list", "show", "create"} for word in words[:4]) and words[:2] != ("console", "log")
        command = [str(BIN / "openstack"), "--os-cloud", CLOUD, *words, *(["-f", "json"] if shows else [])]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise ClientError(f"openstack {' '.join(words)}: {done.stderr.strip()[-800:]}")
        return json.loads(done.stdout) if shows else done.stdout

    def openstack_together(self, *commands: tuple[str, ...]) -> list[Any]:
        """Run commands that do not depend on each other, two at a time, because the client spends seconds on its own start."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            return list(pool.map(lambda words: self.openstack(*words), commands))

    def on_host(self, command: str, timeout_seconds: float = 60) -> str:
        """Run a shell command on the cloud's host (of several: the one that has the APIs' address) and return what it prints."""
        return self.at(self.host_address, command, timeout_seconds)

    def on_hosts(self, command: str, timeout_seconds: float = 60, *, besides: str = "") -> dict[str, str]:
        """Run a shell command on every host of the cloud at once (besides one that is off); return what it prints, by host."""
        hosts = {name: address for name, address in self.hosts.items() if name != besides}
        with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
            answers = pool.map(lambda address: self.at(address, command, timeout_seconds), hosts.values())
            return dict(zip(hosts, answers, strict=True))

    def at(self, address: str, command: str, timeout_seconds: float = 60) -> str:
        """Run a shell command on the host of that address and return what it prints."""
        ssh = ["ssh", *SSH_OPTIONS, "-o", "ConnectTimeout=10", "-i", str(LAB_KEY), f"root@{address}", command]
        done = subprocess.run(ssh, capture_output=True, text=True, check=False, timeout=timeout_seconds)
        assert done.returncode == 0, f"on the host: {command}: {done.stderr.strip()[-800:]}"
        return done.stdout

    def to(self, address: str, directory: str, *sources: Path) -> None:
        """Copy files and directories into a directory of the host of that address."""
        self.at(address, f"mkdir -p {directory}")
        scp = ["scp", *SSH_OPTIONS, "-q", "-r", "-i", str(LAB_KEY), *map(str, sources), f"root@{address}:{directory}"]
        done = subprocess.run(scp, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"copying to the host: {done.stderr.strip()[-800:]}"

    def playbook(self, playbook: Path, *options: str, timeout_seconds: float = 600) -> list[dict[str, Any]]:
        """Run a playbook as an operator would and return its tasks: [{name, changed}]; fail with the first failure's text."""
        callback = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        command = [str(BIN / "ansible-playbook"), str(playbook), *options]
        done = subprocess.run(
            command, cwd=ROOT, env={**self.environment, **callback}, capture_output=True, text=True, check=False, timeout=timeout_seconds
        )
        start = done.stdout.find("{")
        assert start >= 0, f"{playbook.name}: {done.stdout[-800:]}{done.stderr[-800:]}"
        report = json.loads(done.stdout[start:])
        tasks = [(task["task"]["name"], result) for play in report["plays"] for task in play["tasks"] for result in task["hosts"].values()]
        failures = [f"{name}: {result.get('msg', result)}" for name, result in tasks if result.get("failed") or result.get("unreachable")]
        assert not failures, f"{playbook.name}: {failures[0]}"
        assert done.returncode == 0, done.stderr[-800:]
        return [{"name": name, "changed": bool(result.get("changed"))} for name, result in tasks if not result.get("skipped")]
