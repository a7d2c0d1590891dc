"""The disk of a lab host: an overlay on the base root, with what makes one host differ from the next."""

from __future__ import annotations

import ipaddress
import os
import shutil
import uuid
from pathlib import Path

from ansible.module_utils.lab_place import LabError, Place, run

HOSTS_BEGIN, HOSTS_END = "# lab hosts: begin", "# lab hosts: end"


def create(place: Place, p: dict) -> None:
    """Lay the overlay and give the host its identity; `made` is written last, so that half a host is known as such."""
    unlay(place)
    place.root.mkdir(parents=True)
    if p["disk_gib"]:
        place.disk.mkdir()
        run("truncate", "--size", f"{p['disk_gib']}G", str(place.disk_image))
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(place.disk_image))
    mount_disk(place)
    for part in ("upper", "work"):
        (place.layers / part).mkdir()
    (place.directory / "base").write_text("\n".join(p["layers"] or [str((place.cache / "base/current").resolve())]))
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


def mount_disk(place: Place) -> None:
    """A host whose disk has a size writes into a file system of its own, so that it can fill up without the others."""
    if place.disk_image.exists() and not os.path.ismount(place.disk):
        run("mount", "-o", "loop", str(place.disk_image), str(place.disk))


def mount(place: Place) -> bool:
    if os.path.ismount(place.root):
        return False
    mount_disk(place)
    base = (place.directory / "base").read_text().splitlines()
    layers = f"lowerdir={':'.join(base)},upperdir={place.layers}/upper,workdir={place.layers}/work"
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
    raise LabError("this machine's resolver listens on loopback only, out of a lab host's reach: set lab_host_nameservers in the inventory")


def unlay(place: Place) -> bool:
    """Take down what create() laid; the host must be off."""
    existed = place.directory.exists()
    while os.path.ismount(place.root):
        root = place.root.stat()
        run("umount", str(place.root))
        # What systemd-nspawn locks its root with, and leaves behind.
        Path(f"/run/systemd/nspawn/locks/inode-{root.st_dev}:{root.st_ino}").unlink(missing_ok=True)
    if os.path.ismount(place.disk):
        run("umount", str(place.disk))
    for path in (place.directory, place.archives):
        if path.exists():
            shutil.rmtree(path)
    return existed
