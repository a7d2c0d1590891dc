"""The power of a lab host: start it, cut it off, keep its NICs plugged in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from ansible.module_utils.lab_disk import number
from ansible.module_utils.lab_place import Place, is_running, run, under_systemd, wait_until

CGROUPS = Path("/sys/fs/cgroup")
NETNS = Path("/run/netns")


class LostPort(Exception):
    """A NIC of a running host has lost the machine's end: only a new boot plugs it in again."""


def start(place: Place, p: dict) -> None:
    stop(place)  # a host cut off, or what a runner that was killed has left
    place.archives.mkdir(parents=True, exist_ok=True)
    for package in (place.cache / "apt" / "shared").glob("*.deb"):
        if not (place.archives / package.name).exists():
            os.link(package, place.archives / package.name)
    # Open vSwitch in userspace cannot put packets with partial checksums into tunnels, and a lab of several hosts has tunnels.
    offload = "off" if len(p["addresses"]) > 1 else "on"
    command = [p["runner"], place.machine, str(place.directory), f"lab{p['index']}", str(number(p)), offload, *container_options(place)]
    if under_systemd():
        unit = ["--quiet", "--collect", f"--unit={place.machine}", "--property=Delegate=yes", "--property=KillMode=mixed"]
        run("systemd-run", *unit, "--property=TasksMax=infinity", *command)
        return
    with (place.directory / "log").open("a") as log:
        subprocess.run(["setsid", "--fork", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=True)


def container_options(place: Place) -> list[str]:
    binds = [f"--bind={place.cache}/apt:/var/cache/lab-apt", "--bind=/dev/net/tun"]
    if kvm_is_usable():
        binds.append("--bind=/dev/kvm")
    if Path("/lib/modules").is_dir():
        binds.append("--bind-ro=/lib/modules")
    return [f"--hostname={place.name}", "--capability=all", "--resolv-conf=off", "--timezone=off", "--link-journal=no", *binds]


def kvm_is_usable() -> bool:
    """Without the processor's help /dev/kvm may exist and still run no ordinary guest."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return Path("/dev/kvm").exists() and ("vmx" in flags or "svm" in flags)


def plug_in(p: dict) -> bool:
    """Put the ports of a running host back on their bridges; raise LostPort when the pair itself is gone."""
    changed = False
    for network in ("mgmt", "tun", "ext"):
        bridge = f"lab{p['index']}-{network}"
        port = Path("/sys/class/net", f"{bridge}-{number(p)}")
        if not port.exists():
            raise LostPort(port.name)
        if not (port / "master").exists():
            run("ip", "link", "set", port.name, "master", bridge)
            changed = True
    return changed


def stop(place: Place) -> bool:
    """Pull the power cord, then clear away what a killed runner could not."""
    was_running = is_running(place)
    if was_running:
        pid = int((place.directory / "pid").read_text())
        complaint = f"{place.name} does not go down: see {place.directory}/log"
        wait_until(lambda: not is_running(place) or os.kill(pid, signal.SIGTERM), 60, complaint)
    if under_systemd():
        subprocess.run(["systemctl", "stop", f"{place.machine}.service"], capture_output=True, check=False)
    left = (NETNS / place.machine).exists()
    if left:
        wait_until(lambda: not kill_inhabitants(place), 10, f"processes in network namespace {place.machine} do not die")
        run("ip", "netns", "delete", place.machine)
    trees = [*CGROUPS.glob(place.machine), *CGROUPS.glob(f"*/{place.machine}")]
    wait_until(lambda: all(cgroup_is_gone(tree) for tree in trees), 10, f"processes in cgroup {place.machine} do not die")
    for trace in ("propagate", "unix-export"):
        shutil.rmtree(f"/run/systemd/nspawn/{trace}/{place.machine}", ignore_errors=True)
    return was_running or left


def cgroup_is_gone(tree: Path) -> bool:
    """Kill who is left in the tree, and take it down once it is empty."""
    for directory, _, _ in os.walk(tree, topdown=False):
        for pid in Path(directory, "cgroup.procs").read_text().split():
            kill(int(pid))
        try:
            os.rmdir(directory)
        except OSError:  # busy until the kernel has buried the last process
            return False
    return True


def kill_inhabitants(place: Place) -> bool:
    pids = run("ip", "netns", "pids", place.machine).split()
    for pid in pids:
        kill(int(pid))
    return bool(pids)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
