#!/usr/bin/python
"""Make, start, cut off or remove one host of a lab: an overlay on the base root, booted by systemd-nspawn."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: lab_host
short_description: Make, start, cut off or remove one host of a lab
description:
  - A lab host is a Debian system of its own in a container, with systemd, ssh and three NICs
    (C(host0) management, C(tunnel0), C(external0) without address).
  - Runs on the machine that carries the lab, as root.
options:
  name: {type: str, required: true, description: Host name.}
  lab: {type: str, required: true, description: Name of the lab.}
  state:
    type: str
    choices: [started, stopped, absent]
    default: started
    description: C(stopped) pulls the power cord; nothing inside is asked.
  cache_directory: {type: path, required: true, description: Where the lab keeps its files.}
  index: {type: int, description: Index of the lab.}
  address: {type: str, description: Management address; its last number is the host's number in every network.}
  management_cidr: {type: str, description: "Management network; its first address is the gateway."}
  tunnel_cidr: {type: str, description: Tunnel network.}
  runner: {type: path, description: The script that keeps the container running.}
  authorized_key_path: {type: path, description: Public ssh key of root.}
  addresses: {type: dict, description: Name and management address of every host of the lab.}
  nameservers: {type: list, elements: str, description: Resolvers; without them those of this machine.}
  timeout_seconds: {type: int, default: 60, description: How long ssh may take to answer.}
"""

CGROUPS = Path("/sys/fs/cgroup")
NETNS = Path("/run/netns")
HOSTS_BEGIN, HOSTS_END = "# lab hosts: begin", "# lab hosts: end"


class LabError(Exception):
    """What went wrong, where, and what to do."""


class LostPort(Exception):
    """A NIC of a running host has lost the machine's end: only a new boot plugs it in again."""


@dataclass
class Place:
    """Where one host's files and kernel objects are."""

    cache: Path
    lab: str
    name: str

    @property
    def machine(self) -> str:
        return f"lab-{self.lab}-{self.name}"

    @property
    def directory(self) -> Path:
        return self.cache / "labs" / self.lab / self.name

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def archives(self) -> Path:
        return self.cache / "apt" / "hosts" / self.machine


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def is_running(place: Place) -> bool:
    """The runner holds the lock as long as it lives."""
    try:
        with (place.directory / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def under_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


# -- making -------------------------------------------------------------------------------------------------------------


def create(place: Place, p: dict) -> None:
    """Lay the overlay and give the host its identity; `made` is written last, so that half a host is known as such."""
    remove(place)
    for part in ("upper", "work", "root"):
        (place.directory / part).mkdir(parents=True)
    (place.directory / "base").write_text(str((place.cache / "base/current").resolve()))
    mount(place)
    write(place.root / "etc/hostname", f"{place.name}\n")
    write(place.root / "etc/machine-id", f"{uuid.uuid4().hex}\n")
    write(place.root / "etc/network/interfaces", interfaces(p))
    write(place.root / "etc/apt/apt.conf.d/70lab-archives", apt_archives(place))
    ssh = place.root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    write(ssh / "authorized_keys", Path(p["authorized_key_path"]).read_text())
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", place.name, "-f", str(place.root / "etc/ssh/ssh_host_ed25519_key"))
    (place.directory / "made").touch()


def number(p: dict) -> int:
    """The host's number in every network of the lab."""
    return int(ipaddress.ip_address(p["address"])) - int(ipaddress.ip_network(p["management_cidr"]).network_address)


def interfaces(p: dict) -> str:
    management, tunnel = ipaddress.ip_network(p["management_cidr"]), ipaddress.ip_network(p["tunnel_cidr"])
    return f"""auto lo
iface lo inet loopback

auto host0
iface host0 inet static
    address {p["address"]}/{management.prefixlen}
    gateway {management[1]}

auto tunnel0
iface tunnel0 inet static
    address {tunnel[number(p)]}/{tunnel.prefixlen}

auto external0
iface external0 inet manual
    up ip link set external0 up

source /etc/network/interfaces.d/*
"""


def apt_archives(place: Place) -> str:
    """Each host has an archive directory of its own (apt locks it) and shares what it fetched by hard links."""
    own, shared = f"/var/cache/lab-apt/hosts/{place.machine}", "/var/cache/lab-apt/shared"
    return f"""Dir::Cache::archives "{own}";
DPkg::Post-Invoke {{ "cp --link --no-clobber {own}/*.deb {shared}/ 2>/dev/null || true"; }};
"""


def mount(place: Place) -> bool:
    if os.path.ismount(place.root):
        return False
    base = (place.directory / "base").read_text()
    layers = f"lowerdir={base},upperdir={place.directory}/upper,workdir={place.directory}/work"
    run("mount", "-t", "overlay", "-o", layers, place.machine, str(place.root))
    return True


def write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    path.write_text(text)
    return True


def set_names(place: Place, p: dict) -> bool:
    """Keep the resolver and the names of the lab's hosts right; other lines of /etc/hosts stay as they are."""
    path = place.root / "etc/hosts"
    lines = path.read_text().splitlines() if path.exists() else []
    if HOSTS_BEGIN in lines and HOSTS_END in lines:
        del lines[lines.index(HOSTS_BEGIN) : lines.index(HOSTS_END) + 1]
    elif not lines:
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    block = [HOSTS_BEGIN, *(f"{address} {name}" for name, address in sorted(p["addresses"].items())), HOSTS_END]
    return any([write(path, "\n".join(lines + block) + "\n"), write(place.root / "etc/resolv.conf", resolver(p["nameservers"]))])


def resolver(nameservers: list[str] | None) -> str:
    """The machine's resolver as a lab host can reach it: a stub on loopback is passed over for what lies behind it."""
    if nameservers:
        return "".join(f"nameserver {address}\n" for address in nameservers)
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        if not Path(path).exists():
            continue
        lines = [line for line in Path(path).read_text().splitlines() if line.split()[:1] in (["nameserver"], ["search"])]
        lines = [line for line in lines if not line.split()[1].startswith(("127.", "::1"))]
        if any(line.startswith("nameserver") for line in lines):
            return "\n".join(lines) + "\n"
    raise LabError("this machine's resolver listens on loopback only, where no lab host reaches it: set lab_host_nameservers in the inventory")


# -- power --------------------------------------------------------------------------------------------------------------


def start(place: Place, p: dict) -> None:
    stop(place)  # a host cut off, or what a runner that was killed has left
    place.archives.mkdir(parents=True, exist_ok=True)
    for package in (place.cache / "apt" / "shared").glob("*.deb"):
        if not (place.archives / package.name).exists():
            os.link(package, place.archives / package.name)
    command = [p["runner"], place.machine, str(place.directory), f"lab{p['index']}", str(number(p)), *container_options(place)]
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
        wait_until(lambda: not is_running(place) or os.kill(pid, signal.SIGTERM), 20, f"{place.name} does not go down: see {place.directory}/log")
    if under_systemd():
        subprocess.run(["systemctl", "stop", f"{place.machine}.service"], capture_output=True, check=False)
    left = (NETNS / place.machine).exists()
    if left:
        wait_until(lambda: not kill_inhabitants(place), 10, f"processes in network namespace {place.machine} do not die")
        run("ip", "netns", "delete", place.machine)
    trees = [*CGROUPS.glob(place.machine), *CGROUPS.glob(f"*/{place.machine}")]
    wait_until(lambda: all([cgroup_is_gone(tree) for tree in trees]), 10, f"processes in cgroup {place.machine} do not die")
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
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait_until(condition, timeout_seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(complaint)
        time.sleep(0.1)


def ssh_answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def remove(place: Place) -> bool:
    existed = place.directory.exists()
    stop(place)
    while os.path.ismount(place.root):
        run("umount", str(place.root))
    for path in (place.directory, place.archives):
        if path.exists():
            shutil.rmtree(path)
    return existed


# -- the module -----------------------------------------------------------------------------------------------------------


def ensure_started(place: Place, p: dict) -> bool:
    changed = False
    if not (place.directory / "made").exists():
        create(place, p)
        changed = True
    changed |= mount(place)
    changed |= set_names(place, p)
    try:
        if is_running(place):
            changed |= plug_in(p)
        else:
            start(place, p)
            changed = True
    except LostPort:
        start(place, p)
        changed = True
    address = p["address"]
    complaint = f"{place.name} does not answer ssh at {address} after {p['timeout_seconds']} s: see {place.directory}/log"
    wait_until(lambda: ssh_answers(address), p["timeout_seconds"], complaint)
    return changed


def would_change(place: Place, state: str) -> bool:
    if state == "absent":
        return place.directory.exists()
    return is_running(place) != (state == "started")


def main() -> None:
    text = {"type": "str"}
    path = {"type": "path"}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "lab": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "cache_directory": {"type": "path", "required": True},
            "index": {"type": "int"},
            "address": text,
            "management_cidr": text,
            "tunnel_cidr": text,
            "runner": path,
            "authorized_key_path": path,
            "addresses": {"type": "dict"},
            "nameservers": {"type": "list", "elements": "str"},
            "timeout_seconds": {"type": "int", "default": 60},
        },
        required_if=[
            (
                "state",
                "started",
                ["index", "address", "management_cidr", "tunnel_cidr", "runner", "authorized_key_path", "addresses"],
            )
        ],
        supports_check_mode=True,
    )
    p = module.params
    place = Place(Path(p["cache_directory"]).resolve(), p["lab"], p["name"])
    if module.check_mode:
        module.exit_json(changed=would_change(place, p["state"]))
    try:
        if p["state"] == "started":
            changed = ensure_started(place, p)
        elif p["state"] == "stopped":
            changed = stop(place)
        else:
            changed = remove(place)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
