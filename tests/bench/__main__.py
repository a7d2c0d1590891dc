"""Measures the cloud and prints one JSON object, so that runs compare: python -m tests.bench [embedded] [quickstart] | scale."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.api_client import ApiClient
from tests.bench.embedded_cloud import embedded_cloud
from tests.bench.fake_servers import create_until_active, delete_until_gone, list_servers, prepare
from tests.bench.real_guests import real_guests
from tests.bench.scale import main as measure_scale
from tests.bench.tokens import tokens
from tests.real import quickstart

PARTS = ("embedded", "quickstart")
ROOT = Path(__file__).resolve().parents[2]
#: What a host's cloudd processes hold of memory.
PSS = "for pid in $(systemctl show --property=MainPID --value 'cloudd-*.service' | grep -vx 0); do cat /proc/$pid/smaps_rollup; done"


def say(text: str) -> None:
    """Progress, beside the one object that standard output is for."""
    sys.stderr.write(f"bench: {text}\n")


def resident_mib(process_id: int) -> float:
    """What the process holds of memory, shared pages divided among their users (PSS)."""
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError(f"process {process_id} tells nothing of its memory")


def mib(rollup: str) -> float:
    """The sum of the Pss lines."""
    return round(sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024, 1)


async def measure_embedded(servers: int, at_once: int) -> dict[str, Any]:
    """Tokens, creation, lists and memory of a private cloud with fake drivers."""
    async with embedded_cloud() as cloud:
        client = cloud.client
        measured: dict[str, Any] = {"start_seconds": cloud.start_seconds, "memory_idle_mib": resident_mib(cloud.process_id)}
        say("tokens")
        measured["tokens"] = await tokens(client)
        parts = await prepare(client)
        say(f"{at_once} servers at once, each with a port")
        measured["create"] = await create_until_active(client, parts, "port", at_once, with_port=True)
        say(f"up to {servers} servers")
        measured["create_many"] = await create_until_active(client, parts, "many", servers - at_once, with_port=False)
        measured["list"] = await list_servers(client)
        measured["memory_full_mib"] = resident_mib(cloud.process_id)
        say("deletion")
        measured["delete"] = await delete_until_gone(client, "port")
        return measured


async def measure_quickstart(guests: int) -> dict[str, Any]:
    """Tokens, real guests, memory and a deployment that has nothing to do, on the quickstart's cloud or that of CLOUD_UNDER_TEST."""
    if not quickstart.is_living():
        raise SystemExit("bench: the quickstart's cloud does not answer; ./cloudctl quickstart makes it, or measure `embedded` alone")
    cloud = quickstart.Quickstart()
    client = ApiClient(cloud.auth_url, cloud.settings["auth"]["password"], ca_certificate=cloud.settings.get("cacert"))
    try:
        say("tokens over TLS")
        measured: dict[str, Any] = {"tokens": await tokens(client)}
        say("one guest, to fill the host's image cache")
        measured["first_guest"] = await real_guests(client, 1)
        say(f"{guests} guests at once")
        measured["guests"] = await real_guests(client, guests)
    finally:
        await client.close()
    measured["memory_mib"] = {host: mib(pss) for host, pss in cloud.on_hosts(PSS).items()}
    say("a deployment that has nothing to do")
    measured["deploy_again"] = await asyncio.to_thread(deploy_again)
    return measured


def deploy_again() -> dict[str, Any]:
    """Deploy onto the living cloud; returns the seconds and how many tasks changed something."""
    command = [str(quickstart.BIN / "ansible-playbook"), "-i", str(quickstart.INVENTORY), "playbooks/deploy.yml"]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds = round(time.perf_counter() - began, 1)
    if done.returncode:
        return {"seconds": seconds, "error": (done.stdout + done.stderr)[-500:]}
    stats = json.loads(done.stdout[done.stdout.index("{") :])["stats"]
    return {"seconds": seconds, "changed": sum(host["changed"] for host in stats.values())}


def machine() -> dict[str, Any]:
    """What it was measured on."""
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    load_now = round(os.getloadavg()[0], 2)
    return {"revision": revision, "processors": os.cpu_count(), "python": platform.python_version(), "load_before": load_now}


async def main() -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(prog="cloudctl bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="embedded|quickstart", help="what to measure (default: both)")
    parser.add_argument("--servers", type=int, default=1000, help="servers in the long list (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=100, help="servers created at once with the fake driver (default: %(default)s)")
    parser.add_argument("--guests", type=int, default=5, help="real guests booted at once (default: %(default)s)")
    arguments = parser.parse_args()
    parts = arguments.parts or list(PARTS)
    if not set(parts) <= set(PARTS):
        parser.error(f"there are only the parts {' and '.join(PARTS)}")
    result: dict[str, Any] = {"machine": machine()}
    if "embedded" in parts:
        result["embedded"] = await measure_embedded(arguments.servers, arguments.at_once)
    if "quickstart" in parts:
        result["quickstart"] = await measure_quickstart(arguments.guests)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    # It has a lab and options of its own.
    if sys.argv[1:2] == ["scale"]:
        print(json.dumps({"machine": machine(), "scale": measure_scale(sys.argv[2:])}, indent=1))
    else:
        asyncio.run(main())
