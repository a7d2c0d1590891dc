"""A lab of two hosts from nothing to nothing: networks, names, reboot, power cuts, mending, and no trace afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real import lab_traces

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
LAB, INDEX = "realtest", 90
MACHINES = {"one": 11, "two": 12}
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"

HOSTS = f"""
all:
  vars:
    ansible_user: root
  children:
    baremetal:
      hosts:
        one: {{ansible_host: 10.{83 + INDEX}.0.11}}
        two: {{ansible_host: 10.{83 + INDEX}.0.12, lab_disk_gib: 2}}
      vars:
        ansible_ssh_private_key_file: {ROOT}/.cache/lab/ssh/id_ed25519
        ansible_ssh_common_args: -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
"""


@dataclass
class Lab:
    inventory: Path

    def play(self, verb: str, *flags: str) -> subprocess.CompletedProcess[str]:
        ansible = Path(sys.executable).with_name("ansible-playbook")
        command = [str(ansible), "-i", str(self.inventory), f"playbooks/{verb}.yml", *flags]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def up(self) -> int:
        """Number of changes."""
        done = self.play("lab_up")
        assert done.returncode == 0, done.stdout + done.stderr
        return changes(done.stdout)

    def on(self, host: str, command: str) -> str:
        key = ROOT / ".cache/lab/ssh/id_ed25519"
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        ssh = ["ssh", "-i", str(key), *quiet, f"root@10.{83 + INDEX}.0.{MACHINES[host]}", command]
        done = subprocess.run(ssh, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command} on {host}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


def changes(output: str) -> int:
    recap = output[output.index("PLAY RECAP") :]
    return sum(int(word.removeprefix("changed=")) for word in recap.split() if word.startswith("changed="))


def traces() -> set[str]:
    return lab_traces.traces(LAB, INDEX)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def wait_for_ssh(lab: Lab, host: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            lab.on(host, "true")
        except (AssertionError, subprocess.TimeoutExpired):
            assert time.monotonic() < deadline, f"{host} does not answer ssh"
            time.sleep(0.5)
        else:
            return


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    inventory = tmp_path_factory.mktemp("inventory")
    (inventory / "hosts.yml").write_text(HOSTS)
    (inventory / "group_vars/all").mkdir(parents=True)
    settings = (ROOT / "inventory/lab-all-in-one/group_vars/all/lab.yml").read_text()
    settings = settings.replace("lab_name: all-in-one", f"lab_name: {LAB}").replace("lab_index: 0", f"lab_index: {INDEX}")
    (inventory / "group_vars/all/lab.yml").write_text(settings)
    made = Lab(inventory)
    made.play("lab_down")
    made.up()
    yield made
    made.play("lab_down")


def test_second_up_changes_nothing(lab: Lab) -> None:
    assert lab.up() == 0


def test_hosts_are_whole_systems(lab: Lab) -> None:
    for host in MACHINES:
        assert lab.on(host, "hostname; cat /proc/1/comm").split() == [host, "systemd"]
        assert lab.on(host, "systemctl is-system-running --wait || systemctl --failed") == "running"
        lab.on(host, "test -c /dev/net/tun && mkdir /sys/fs/cgroup/try && rmdir /sys/fs/cgroup/try")
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"
    assert lab.on("one", identity) != lab.on("two", identity)


def test_networks_reach_what_they_should(lab: Lab) -> None:
    second = 83 + INDEX
    nics = {
        line.split()[0].partition("@")[0]: line.split()[2:] for line in lab.on("two", "ip -4 -br address; ip -br link").splitlines()[:4]
    }
    assert nics["host0"] == [f"10.{second}.0.12/24"]
    assert nics["tunnel0"] == [f"10.{second}.1.12/24"]
    assert "external0" not in nics
    assert lab.on("two", "cat /sys/class/net/external0/operstate") == "up"
    for target in ("two", f"10.{second}.1.12", f"10.{second}.0.1"):
        lab.on("one", f"ping -c 1 -W 2 {target}")
    # An address of the external network on the NIC meets the machine, which holds the gateway.
    lab.on("one", f"ip address add 10.{second}.2.11/24 dev external0 && ping -c 1 -W 2 10.{second}.2.1")


def test_a_disk_with_a_size_fills_up_alone(lab: Lab) -> None:
    size = "df --output=size -BM / | tail -1"
    assert 1500 < int(lab.on("two", size).strip("M")) < 2048
    assert int(lab.on("one", size).strip("M")) > 2048
    assert "No space left" in lab.on("two", "fallocate -l 3G /filler 2>&1; rm -f /filler")
    lab.on("one", "fallocate -l 1M /filler && rm /filler")


def test_packages_are_fetched_once(lab: Lab) -> None:
    package = "hello"
    lab.on("one", f"apt-get install --yes {package} && hello")
    shared = list((ROOT / ".cache/lab/apt/shared").glob(f"{package}_*.deb"))
    assert len(shared) == 1
    assert lab.play("lab_reboot", "--limit", "two", "-e", "lab_reboot_mode=reset").returncode == 0
    assert "Need to get 0 B" in lab.on("two", f"apt-get install --yes {package}")


def test_reboot_is_a_machines_reboot(lab: Lab) -> None:
    before = lab.on("one", BOOT_ID)
    lab.on("one", "touch /run/gone /tmp/gone /root/kept; ip link add gone type bridge; ip address add 192.0.2.99/32 dev host0; sync")
    done = lab.play("lab_reboot", "--limit", "one")
    assert done.returncode == 0, done.stdout
    assert lab.on("one", BOOT_ID) != before
    assert (
        lab.on("one", "ls /run/gone /tmp/gone /sys/class/net/gone 2>/dev/null; ls /root/kept; ip address | grep -c 192.0.2.99 || true")
        == "/root/kept\n0"
    )
    assert lab.up() == 0


def test_reboot_asked_from_inside(lab: Lab) -> None:
    before = lab.on("two", BOOT_ID)
    lab.on("two", "systemd-run --no-block sh -c 'sleep 1; systemctl reboot'")
    time.sleep(2)
    wait_for_ssh(lab, "two")
    assert lab.on("two", BOOT_ID) != before


def test_power_cut_and_return(lab: Lab) -> None:
    other = lab.on("two", BOOT_ID)
    assert lab.play("lab_reboot", "--limit", "one", "-e", "lab_reboot_mode=power_off").returncode == 0
    assert not {trace for trace in traces() if trace.endswith(f"lab{INDEX}-mgmt-11") or trace == f"--machine=lab-{LAB}-one"}
    assert lab.up() == 1
    wait_for_ssh(lab, "one")
    assert lab.on("two", BOOT_ID) == other


def test_killed_runner_is_mended(lab: Lab) -> None:
    before = lab.on("one", BOOT_ID)
    os.kill(int((ROOT / f".cache/lab/labs/{LAB}/one/pid").read_text()), signal.SIGKILL)
    assert lab.up() == 1
    assert lab.on("one", BOOT_ID) != before
    assert lab.up() == 0


def test_lost_bridge_and_half_made_host_are_mended(lab: Lab) -> None:
    output("ip", "link", "delete", f"lab{INDEX}-tun")
    (ROOT / f".cache/lab/labs/{LAB}/two/made").unlink()
    lab.on("two", "touch /root/of_the_old_one")
    assert lab.up() >= 2
    assert lab.on("two", "ls /root") == ""
    assert lab.on("one", f"ping -c 1 -W 2 10.{83 + INDEX}.1.12 >/dev/null && echo reached") == "reached"
    assert lab.up() == 0


def test_a_taken_index_is_refused(lab: Lab) -> None:
    done = lab.play("lab_up", "-e", "lab_name=realtest-thief")
    assert done.returncode != 0
    assert "give this lab another lab_index" in done.stdout + done.stderr
    assert lab.play("lab_down", "-e", "lab_name=realtest-thief").returncode == 0
    assert lab.up() == 0


def test_down_interrupted_and_finished_leaves_nothing(lab: Lab) -> None:
    assert traces()
    half = lab.play("lab_down", "--check")
    assert half.returncode == 0 and changes(half.stdout) >= 2, half.stdout
    os.kill(int((ROOT / f".cache/lab/labs/{LAB}/one/pid").read_text()), signal.SIGTERM)
    output("ip", "link", "delete", f"lab{INDEX}-ext")
    done = lab.play("lab_down")
    assert done.returncode == 0, done.stdout
    assert traces() == set()
    assert not (ROOT / f".cache/lab/labs/{LAB}").exists()
    again = lab.play("lab_down")
    assert again.returncode == 0 and changes(again.stdout) == 0
