"""The guest images under QEMU, without a cloud: what any cloud, its users and its test suites ask of a guest."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.lone_guest import ADDRESS, GATEWAY, METADATA_ADDRESS, METADATA_GATEWAY, MTU, NAME_SERVER, Cable, LoneGuest, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / ".cache/guest-images"
# What these tests need beside what building needs.
TOOLS = {"qemu-system-x86": "qemu-system-x86_64", "dnsmasq-base": "dnsmasq", "openssh-client": "ssh", "iproute2": "ip"}
KEY_TYPES = {"ed25519": ("ed25519", "256"), "ecdsa": ("ecdsa", "384"), "rsa": ("rsa", "2048")}


def build(*images: str) -> str:
    """Ansible's summary of a run of the playbook that builds the images."""
    done = subprocess.run(
        [ROOT / ".venv/bin/ansible-playbook", "-i", "localhost,", "playbooks/guest_images.yml", "-e", json.dumps({"guest_images": images})],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-2]


@pytest.fixture(scope="module")
def tools() -> None:
    missing = [package for package, program in TOOLS.items() if not shutil.which(program)]
    if missing:
        subprocess.run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *missing], check=True, capture_output=True)


@pytest.fixture(scope="module")
def tiny(tools: None) -> Path:
    build("tiny")
    return IMAGES / "tiny.qcow2"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A private key of every type that clients upload; the public one lies beside it as .pub."""
    directory = tmp_path_factory.mktemp("keys")
    for name, (kind, bits) in KEY_TYPES.items():
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-f", directory / name], check=True)
    return {name: directory / name for name in KEY_TYPES}


@pytest.fixture(scope="module")
def cable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cable]:
    made = Cable(tmp_path_factory.mktemp("cable"))
    yield made
    made.close()


def instance(keys: dict[str, Path], name: str = "web.one") -> dict[str, Any]:
    """The metadata of a new instance that all the keys open."""
    return {
        "uuid": str(uuid.uuid4()),
        "name": name,
        "hostname": f"{name}.novalocal",
        "public_keys": {key: path.with_suffix(".pub").read_text().strip() for key, path in keys.items()},
    }


def overlay(image: Path, directory: Path, size: str = "1G") -> Path:
    """A new disk that starts as the image."""
    disk = directory / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, disk, size], check=True)
    return disk


def virtio(disk: Path) -> list[str]:
    return ["-drive", f"file={disk},if=none,id=root", "-device", "virtio-blk-pci,drive=root,bootindex=0"]


@pytest.fixture(scope="module")
def guest(tiny: Path, cable: Cable, keys: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneGuest]:
    """One tiny guest for all tests that leave it alive."""
    directory = tmp_path_factory.mktemp("guest")
    cable.describe(instance(keys), "#!/bin/sh\necho user data ran as $(id -un) > /root/user-data-was-here\n")
    cable.serve_metadata()
    started = LoneGuest(cable, directory, virtio(overlay(tiny, directory)))
    try:
        print(f"\ntiny guest: log-in {started.wait_for_log_in(keys['ed25519']):.1f} s after the start")
        started.wait_for_line("user data ended with status 0")
        yield started
    finally:
        started.close()
        cable.withdraw_metadata()


@pytest.fixture
def boot(cable: Cable, tmp_path: Path) -> Iterator[Callable[..., LoneGuest]]:
    """Starts guests that end with the test."""

    def start(disk: list[str], **options: Any) -> LoneGuest:
        return LoneGuest(cable, tmp_path, disk, **options)

    yield start
    if cable.guest:
        cable.guest.close()
    cable.withdraw_metadata()


def test_second_build_changes_nothing(tiny: Path) -> None:
    started = time.monotonic()
    assert "changed=0" in build("tiny")
    assert time.monotonic() - started < 20
    assert tiny.stat().st_size < 80 << 20


def test_boot(guest: LoneGuest, record_property: Callable[[str, object], None]) -> None:
    uptime, address = guest.wait_for_line(r"GUEST-LEASE (\S+) (\S+)").groups()
    assert address == ADDRESS
    record_property("lease_uptime_seconds", float(uptime))
    print(f"\ntiny guest: lease after {uptime} s of uptime")
    # Under emulation on an idle machine this takes about 2 s.
    assert float(uptime) < 30
    guest.wait_for_line(r"web-one login: ")
    assert len(guest.console.splitlines()) >= 10


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_log_in_by_key(guest: LoneGuest, keys: dict[str, Path], kind: str) -> None:
    assert guest.ssh(keys[kind], "hostname; id -un; cat /root/user-data-was-here") == "web-one\nroot\nuser data ran as root\n"


def test_lease_is_in_effect(guest: LoneGuest, keys: dict[str, Path]) -> None:
    key = keys["ed25519"]
    assert f"mtu {MTU}" in guest.ssh(key, "ip link show eth0")
    routes = guest.ssh(key, "ip route")
    assert f"default via {GATEWAY} dev eth0" in routes
    assert f"{METADATA_ADDRESS} via {METADATA_GATEWAY} dev eth0" in routes
    assert guest.ssh(key, "cat /etc/resolv.conf") == f"nameserver {NAME_SERVER}\n"
    # Renewing must neither drop the address nor the session; this is how Tempest asks for it.
    guest.ssh(key, "sudo /bin/kill -USR1 $(cat /var/run/udhcpc.eth0.pid); sleep 1; ip -4 addr show dev eth0 | grep -q 10.77.0.50/24")


def test_root_file_system_fills_the_disk(guest: LoneGuest, keys: dict[str, Path]) -> None:
    def size_mib() -> int:
        return int(guest.ssh(keys["ed25519"], "df -m / | awk 'NR==2 {print $2}'"))

    wait_for("larger root file system", lambda: size_mib() > 900, 30, 1)


@pytest.mark.parametrize(
    "command",
    [
        "lsblk -lb --nodeps | grep -q TYPE",
        "test $(lsblk --nodeps --noheadings --output NAME) = vda",
        "blkid -L root -o device",
        "curl -V",
        f"curl http://{METADATA_ADDRESS}/openstack/latest/meta_data.json | jq -e .uuid",
        "sudo -n -u root sh -c 'test $(id -u) = 0'",
        'sudo sh -c "echo \\"marked\\" >/dev/console"',
        "ip -o link | awk '/ether/ {print $2}'; ip -o addr; ip address",
        "ping -c1 -w1 -s56 10.77.0.1; sudo ping -I eth0 -c1 -w1 -s56 10.77.0.1",
        "for tool in fdisk sfdisk mkfs.vfat mkfs.ext4 resize2fs blockdev partx start-stop-daemon udhcpc wget vi; do which $tool; done",
        "dd if=/dev/zero of=/tmp/f bs=1M count=8; mkfs.vfat /tmp/f; mount -o loop /tmp/f /mnt; touch /mnt/x; umount /mnt",
        "grep -c ^processor /proc/cpuinfo",
        "modprobe -a isofs vfat virtio_scsi sr_mod 8021q",
        "sudo poweroff --help",
    ],
)
def test_commands(guest: LoneGuest, keys: dict[str, Path], command: str) -> None:
    guest.ssh(keys["ecdsa"], command)


@pytest.mark.parametrize("protocol", ["", "-u"])
def test_netcat_answers(guest: LoneGuest, keys: dict[str, Path], protocol: str) -> None:
    port = 7000 + len(protocol)
    guest.ssh(keys["ed25519"], f"sudo nc {protocol} -p {port} -lk -e echo foolish >/dev/null 2>&1 &")
    for _ in range(2):
        assert guest.ssh(keys["ed25519"], f"echo bar | nc -w 1 {protocol} 127.0.0.1 {port}") == "foolish\n"


def test_netcat_keeps_the_answer_of_a_program_that_does_not_read(guest: LoneGuest, keys: dict[str, Path]) -> None:
    """What was sent and not read when the program ends must not take its answer along."""
    guest.ssh(keys["ed25519"], "printf '#!/bin/sh\\nsleep 0.3\\necho foolish\\n' > /tmp/deaf; chmod +x /tmp/deaf")
    guest.ssh(keys["ed25519"], "nc -p 7010 -lk -e /tmp/deaf >/dev/null 2>&1 & until nc -z 127.0.0.1 7010; do sleep 0.2; done")
    ask = "for i in $(seq 10); do head -c 1000000 /dev/zero | nc -w 10 127.0.0.1 7010; done"
    assert guest.ssh(keys["ed25519"], ask) == "foolish\n" * 10


def test_disk_comes_and_goes(guest: LoneGuest, keys: dict[str, Path], tmp_path: Path) -> None:
    key = keys["ed25519"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", tmp_path / "volume", "64M"], check=True)
    guest.qmp("blockdev-add", driver="raw", **{"node-name": "volume", "file": {"driver": "file", "filename": str(tmp_path / "volume")}})
    guest.plug("virtio-blk-pci", "volume-disk", 0, drive="volume", serial="0123456789abcdef0123")
    wait_for("new disk", lambda: guest.ssh(key, "cat /sys/block/vdb/serial", check=False).strip() == "0123456789abcdef0123", 20)
    guest.ssh(key, "mkfs -t ext4 /dev/vdb; mount /dev/vdb /mnt; date > /mnt/timestamp; sync; umount /mnt")
    guest.unplug("volume-disk")
    assert "vdb" not in guest.ssh(key, "cat /proc/partitions")
    guest.plug("virtio-scsi-pci", "scsi0", 1)
    guest.qmp("device_add", driver="scsi-hd", id="scsi-disk", bus="scsi0.0", drive="volume")
    wait_for("SCSI disk", lambda: "\nsda " in guest.ssh(key, "lsblk -S"), 20)
    assert guest.ssh(key, "mount /dev/sda /mnt; cat /mnt/timestamp; umount /mnt")


def test_interface_comes(guest: LoneGuest, keys: dict[str, Path]) -> None:
    key = keys["ed25519"]
    guest.qmp("netdev_add", type="tap", id="net1", ifname="tap1", script="no", downscript="no")
    guest.plug("virtio-net-pci", "nic1", 2, netdev="net1", mac="52:54:00:77:00:51")
    wait_for("new interface", lambda: "eth1" in guest.ssh(key, "ip -o link | awk '/52:54:00:77:00:51/ {print $2}'"), 20)
    guest.ssh(key, "sudo ip addr add 10.78.0.5/28 dev eth1; sudo ip link set eth1 up; ip addr show dev eth1 | grep -q 10.78.0.5/28")
    guest.unplug("nic1")
    assert "eth1" not in guest.ssh(key, "ip -o link")


def test_what_is_written_survives(boot: Callable[..., LoneGuest], tiny: Path, cable: Cable, keys: dict[str, Path], tmp_path: Path) -> None:
    """Power button, start, and a snapshot started as another instance."""
    disk = overlay(tiny, tmp_path)
    cable.describe(instance(keys))
    cable.serve_metadata()
    first = boot(virtio(disk))
    first.wait_for_log_in(keys["rsa"])
    host_keys = first.ssh(keys["rsa"], "echo kept > /root/timestamp; echo mine > /etc/hostname; sha256sum /etc/dropbear/*")
    seconds = first.power_off()
    print(f"\ntiny guest: switched off {seconds:.1f} s after the power button")

    again = boot(virtio(disk))
    again.wait_for_log_in(keys["rsa"])
    assert again.ssh(keys["rsa"], "cat /root/timestamp; hostname") == "kept\nmine\n"
    assert again.ssh(keys["rsa"], "sha256sum /etc/dropbear/*") == host_keys
    again.power_off()

    cable.describe(instance({"ecdsa": keys["ecdsa"]}, "other"))
    other = boot(virtio(disk))
    other.wait_for_line("is other, after")
    other.wait_for_log_in(keys["ecdsa"])
    assert other.ssh(keys["ecdsa"], "cat /root/timestamp; hostname") == "kept\nother\n"
    assert other.ssh(keys["ecdsa"], "sha256sum /etc/dropbear/*") != host_keys
    assert other.ssh(keys["rsa"], "true; echo in", check=False) == ""


BUSES = {
    "virtio-scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=root"],
    "nvme": ["-device", "nvme,drive=root,serial=root"],
}


@pytest.mark.parametrize("bus", BUSES)
def test_boots_from_a_raw_volume_on_any_bus(
    boot: Callable[..., LoneGuest], tiny: Path, cable: Cable, keys: dict[str, Path], tmp_path: Path, bus: str
) -> None:
    disk = tmp_path / "volume.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", tiny, disk], check=True)
    subprocess.run(["truncate", "--size=1G", disk], check=True)
    cable.describe(instance(keys))
    cable.serve_metadata()
    guest = boot(["-drive", f"file={disk},if=none,id=root,format=raw", *BUSES[bus]])
    guest.wait_for_log_in(keys["ed25519"])
    assert "vda" not in guest.ssh(keys["ed25519"], "lsblk")


def config_drive(meta_data: dict[str, Any], user_data: str, directory: Path, file_system: str) -> Path:
    """A config drive as an iso9660 or vfat disk."""
    content = directory / "config-drive/openstack/latest"
    content.mkdir(parents=True)
    (content / "meta_data.json").write_text(json.dumps(meta_data))
    (content / "user_data").write_text(user_data)
    image = directory / "config-drive.img"
    if file_system == "iso9660":
        import pycdlib

        iso = pycdlib.PyCdlib()
        iso.new(interchange_level=4, joliet=3, rock_ridge="1.09", vol_ident="config-2")
        for part in ("/openstack", "/openstack/latest"):
            iso.add_directory(part, rr_name=part.rpartition("/")[2], joliet_path=part)
        for name in ("meta_data.json", "user_data"):
            iso.add_file(str(content / name), f"/openstack/latest/{name}", rr_name=name, joliet_path=f"/openstack/latest/{name}")
        iso.write(str(image))
        iso.close()
    else:
        subprocess.run(["mkfs.vfat", "-C", "-n", "config-2", image, "65536"], check=True, capture_output=True)
        mount = directory / "mount"
        mount.mkdir()
        subprocess.run(["mcopy", "-s", "-i", image, directory / "config-drive/openstack", "::"], check=True)
    return image


@pytest.mark.parametrize("drive", ["iso9660 on a CD-ROM", "iso9660 on virtio", "vfat on virtio"])
def test_config_drive(boot: Callable[..., LoneGuest], tiny: Path, keys: dict[str, Path], tmp_path: Path, drive: str) -> None:
    file_system = drive.split(maxsplit=1)[0]
    if file_system == "vfat" and not (shutil.which("mcopy") and shutil.which("mkfs.vfat")):
        subprocess.run(
            ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", "mtools", "dosfstools"], check=True, capture_output=True
        )
    image = config_drive(instance(keys, "driven"), "#!/bin/sh\necho yes > /root/ran\n", tmp_path, file_system)
    device = {
        "virtio": ["-device", "virtio-blk-pci,drive=config"],
        "CD-ROM": ["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=config"],
    }[drive.rsplit(maxsplit=1)[-1]]
    guest = boot([*virtio(overlay(tiny, tmp_path)), "-drive", f"file={image},if=none,id=config,format=raw,readonly=on", *device])
    guest.wait_for_log_in(keys["ecdsa"])
    guest.wait_for_line("user data ended with status 0")
    assert guest.ssh(keys["ecdsa"], "hostname; cat /root/ran") == "driven\nyes\n"
    guest.ssh(
        keys["ecdsa"], "sudo mount $(blkid -L config-2 -o device) /mnt; sudo cat /mnt/openstack/latest/meta_data.json; sudo umount /mnt"
    )


def test_metadata_may_come_late(boot: Callable[..., LoneGuest], tiny: Path, cable: Cable, keys: dict[str, Path], tmp_path: Path) -> None:
    guest = boot(virtio(overlay(tiny, tmp_path)))
    guest.wait_for_line(r"tiny login: ")
    assert guest.ssh(keys["ed25519"], "echo in", check=False) == ""
    cable.describe(instance(keys, "late"))
    cable.serve_metadata()
    guest.wait_for_log_in(keys["ed25519"], timeout_seconds=40)
    assert guest.ssh(keys["ed25519"], "hostname") == "late\n"


@pytest.mark.skipif(not (IMAGES / "debian.qcow2").exists(), reason="playbooks/guest_images.yml builds debian.qcow2 only when asked to")
def test_full_debian(boot: Callable[..., LoneGuest], tools: None, cable: Cable, keys: dict[str, Path], tmp_path: Path) -> None:
    cable.describe(instance(keys, "full"), "#cloud-config\nruncmd: [touch /root/cloud-config-was-here]\n")
    cable.serve_metadata()
    guest = boot(virtio(overlay(IMAGES / "debian.qcow2", tmp_path, "5G")), memory_mib=512)
    seconds = guest.wait_for_log_in(keys["ecdsa"], user="debian", timeout_seconds=180)
    print(f"\nDebian guest: log-in {seconds:.1f} s after the start")

    def debian(command: str) -> str:
        return guest.ssh(keys["ecdsa"], command, user="debian")

    assert debian("sudo cloud-init status --wait >/dev/null; hostname; sudo ls /root").split() == ["full", "cloud-config-was-here"]
    assert int(debian("df -m / | awk 'NR==2 {print $2}'")) > 4500
    assert f"mtu {MTU}" in debian("ip link")
    assert NAME_SERVER in debian("resolvectl dns")
    assert f"{METADATA_ADDRESS} via {METADATA_GATEWAY}" in debian("ip route")
    assert debian("systemctl --failed --no-legend --plain") == ""
    guest.wait_for_line("full login: ")
    guest.power_off(60)
