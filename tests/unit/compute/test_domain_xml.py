"""The domain's XML says what firmware, cloud-init and the switch need to hear."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from cloudd.compute.drivers.base import DiskSpec, InterfaceSpec, ServerSpec
from cloudd.compute.drivers.libvirt import switch
from cloudd.compute.drivers.libvirt.domain_xml import HostFeatures, LocalFiles, domain_xml

_SPEC = ServerSpec(
    server_id="6a0b1a6e-0000-4000-8000-000000000001",
    name="first",
    project_id="p1",
    vcpus=1,
    memory_mib=128,
    disks=[DiskSpec(device="vda", name="root", size_gib=1, boot_index=0), DiskSpec(device="vdb", name="swap", size_gib=1)],
    interfaces=[InterfaceSpec(port_id="6a0b1a6e-0000-4000-8000-000000000002", mac_address="fa:16:3e:00:00:01")],
    config_drive={"openstack/latest/meta_data.json": b"{}"},
)


def made(spec: ServerSpec = _SPEC, **features: object) -> ET.Element:
    return ET.fromstring(domain_xml(spec, HostFeatures(**features), LocalFiles(Path("/instances/1"))))  # type: ignore[arg-type]


def test_firmware_tells_cloud_init_where_it_is() -> None:
    domain = made()
    smbios = domain.find("os/smbios")
    assert smbios is not None and smbios.get("mode") == "sysinfo"
    entries = {entry.get("name"): entry.text for entry in domain.iterfind("sysinfo[@type='smbios']/system/entry")}
    assert entries["product"] == "OpenStack Nova"
    assert entries["serial"] == entries["uuid"] == _SPEC.server_id


@pytest.mark.parametrize("boot_index", [0, None, -1])
def test_only_the_root_disk_is_booted(boot_index: int | None) -> None:
    root = msgspec.structs.replace(_SPEC.disks[0], boot_index=boot_index)
    domain = made(msgspec.structs.replace(_SPEC, disks=[root, *_SPEC.disks[1:]]))
    order = {disk.find("target").get("dev"): disk.find("boot").get("order") for disk in domain.iterfind("devices/disk[boot]")}  # type: ignore[union-attr]
    assert order == {"vda": "1"}
    assert domain.find("os/boot") is None


@pytest.mark.parametrize(("root_bus", "bus"), [("virtio", "scsi"), ("scsi", "scsi"), ("ide", "ide")])
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_config_drive_is_where_a_small_kernel_finds_it(root_bus: str, bus: str, machine: str) -> None:
    root = msgspec.structs.replace(_SPEC.disks[0], bus=root_bus)
    domain = made(msgspec.structs.replace(_SPEC, disks=[root], machine=machine))
    target = domain.find("devices/disk[@device='cdrom']/target")
    assert target is not None and target.get("bus") == bus
    models = [controller.get("model") for controller in domain.iterfind("devices/controller[@type='scsi']")]
    assert models == (["virtio-scsi"] if bus == "scsi" else [])


@pytest.mark.parametrize("may", [True, False])
def test_offload_is_off_where_the_switch_cannot_do_it(may: bool) -> None:
    host = made(may_offload=lambda bridge: may or bridge != "br-int").find("devices/interface/driver/host")
    if may:
        assert host is None
    else:
        assert host is not None and host.attrib == dict.fromkeys(("csum", "gso", "tso4", "tso6", "ecn", "ufo"), "off")


@pytest.mark.parametrize(
    ("output", "may"),
    [("netdev\n\n", False), ("netdev\nfalse\n", False), ('netdev\n"true"\n', True), ('""\n\n', True), ("system\n\n", True)],
)
def test_switch_is_asked_once(monkeypatch: pytest.MonkeyPatch, output: str, may: bool) -> None:
    calls: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, output, "")

    monkeypatch.setattr(switch.subprocess, "run", run)
    switches = switch.Switches()
    assert [switches.may_offload("br-int") for _ in range(2)] == [may, may]
    assert len(calls) == 1


def test_switch_that_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([subprocess.CalledProcessError(1, "ovs-vsctl"), subprocess.CompletedProcess([], 0, "netdev\n\n", "")])

    def run(_command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(switch.subprocess, "run", run)
    switches = switch.Switches()
    assert [switches.may_offload("br-int") for _ in range(3)] == [True, False, False]


def test_ports_that_a_power_cut_left_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        calls.append(" ".join(command[2:]))
        return subprocess.CompletedProcess(command, 0, "tap1\ntap2\n" if "find" in command else "", "")

    monkeypatch.setattr(switch.subprocess, "run", run)
    switch.forget_ports("s1")
    assert calls == [
        "--bare --columns=name find Interface external_ids:vm-id=s1",
        "--if-exists del-port tap1",
        "--if-exists del-port tap2",
    ]


def test_a_volume_of_another_host_is_reached_by_qemu_itself_and_no_password_shows() -> None:
    connection = {
        "driver": "iscsi",
        "portals": "[fd00::5]:3260,192.0.2.1:3260",
        "iqn": "iqn.2026-01.cloudd:a",
        "lun": "1",
        "username": "a",
        "password": "very-secret",
        "format": "raw",
        "serial": "v",
    }
    spec = msgspec.structs.replace(_SPEC, disks=[DiskSpec(device="vda", volume_id="v" * 36, connection=connection, boot_index=0)])
    domain = made(spec)
    source = domain.find("devices/disk[@type='network']/source")
    assert source is not None
    assert (source.get("protocol"), source.get("name")) == ("iscsi", "iqn.2026-01.cloudd:a/1")
    host, secret = source.find("host"), source.find("auth/secret")
    assert host is not None and (host.get("name"), host.get("port")) == ("fd00::5", "3260")
    assert secret is not None and (secret.get("type"), secret.get("usage")) == ("iscsi", "iqn.2026-01.cloudd:a")
    assert "very-secret" not in ET.tostring(domain, encoding="unicode")
