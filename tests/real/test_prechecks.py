"""What an operator is told of hosts without a cloud: nothing of sound ones, every fault of others, and what a deployment would do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from tests.real.bare_lab import INDEX, NAME, NETWORK, ROOT, ROUTER_ID, VIRTUAL_ADDRESS, BareLab, address_of
from tests.real.lab_traces import traces

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

STRANGER = "precheckstranger"
STRANGERS_ADDRESS = f"{NETWORK}.0.99"
ADVERTISE = f"""
import socket, time
link = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("{STRANGERS_ADDRESS}"))
while True:
    link.sendto(bytes([0x21, {ROUTER_ID}, 100, 1, 0, 1, 0, 0, 203, 0, 113, 9]), ("224.0.0.18", 0))
    time.sleep(0.3)
"""
#: Files that were changed since the mark was made; what a look leaves behind in caches and logs is no change.
CHANGED = """
find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/tmp -o -path /var/log \\
  -o -path /var/cache -o -path /var/lib/systemd -o -path /root/.ansible \\) -prune -o -newer /run/before ! -type d -print
"""
KNOWN_SECRETS = {"identity_admin_password": "correct-horse-battery", "bus_password": "staple-Tr0ub4dor-and-3"}


def must(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareLab]:
    made = BareLab(tmp_path_factory.mktemp("inventory"))
    made.playbook("lab_down")
    try:
        made.playbook("lab_up")
        yield made
    finally:
        made.playbook("lab_down")
    assert traces(NAME, INDEX) == set()


@pytest.fixture
def stranger(lab: BareLab) -> Iterator[None]:
    """A machine that is no host of the cloud: it has the virtual address and a host's own, and speaks VRRP with the cloud's id."""
    speaker = None
    try:
        must("ip", "netns", "add", STRANGER)
        for network, suffix in enumerate(("mgmt", "tun")):
            end = f"lab{INDEX}-{suffix}-s"
            must("ip", "link", "add", end, "type", "veth", "peer", "name", f"eth{network}", "netns", STRANGER)
            must("ip", "link", "set", end, "master", f"lab{INDEX}-{suffix}", "up")
            must("ip", "-n", STRANGER, "link", "set", f"eth{network}", "up")
        for address, link in ((STRANGERS_ADDRESS, "eth0"), (VIRTUAL_ADDRESS, "eth0"), (address_of("one", 1), "eth1")):
            must("ip", "-n", STRANGER, "address", "add", f"{address}/24", "dev", link)
        speaker = subprocess.Popen(["ip", "netns", "exec", STRANGER, sys.executable, "-c", ADVERTISE])
        yield
    finally:
        if speaker is not None:
            speaker.kill()
            speaker.wait()
        with contextlib.suppress(subprocess.CalledProcessError):
            must("ip", "netns", "delete", STRANGER)


def test_check_mode_foretells_a_first_deployment_and_changes_nothing(lab: BareLab) -> None:
    secrets = lab.write("passwords.yml", **KNOWN_SECRETS)
    secrets.chmod(0o600)
    # One host has all that several have.
    lab.write_hosts(hosts=["one"])
    shape = lab.write("group_vars/all/shape.yml", cloudd_embedded=False)
    lab.on("one", "touch /run/before; sleep 0.01")
    before = sorted(lab.inventory.rglob("*"))
    try:
        run = lab.cloudctl("deploy", "--check", "--diff")
        after = sorted(lab.inventory.rglob("*"))
    finally:
        shape.unlink()
        lab.write_hosts()
    assert run.status == 0, run.said
    assert lab.on("one", CHANGED) == ""
    assert after == before
    assert yaml.safe_load(secrets.read_text()) == KNOWN_SECRETS
    for path in (
        "/etc/cloudd/cloudd.yaml", "/etc/cloudd/worker.yaml", "/etc/cloudd/agent.yaml", "/etc/systemd/system/cloudd-api.service",
        "/etc/mysql/mariadb.conf.d/90-cloud.cnf", "/etc/galera-member.json", "/etc/rabbitmq/rabbitmq.conf", "/etc/haproxy/haproxy.cfg",
        "/etc/keepalived/keepalived.conf", "/etc/default/ovn-central", "/etc/default/ovn-underlay", "/etc/libvirt/libvirtd.conf",
        "/etc/libvirt/qemu.conf", "/etc/hosts", "/opt/cloudd/current",
    ):  # fmt: skip
        assert f"\n    {path}\n" in run.said, f"{path} is not foretold"
    for unit in ("mariadb", "rabbitmq-server", "haproxy", "keepalived", "ovn-controller", "tgt", "cloudd-api", "cloudd-agent"):
        assert f"systemctl start {unit}.service" in run.said
    for told in ("mariadb-server", "+database_password: (a new secret)", "token_keys: (a secret)", "ovs-vsctl add-br br-int"):
        assert told in run.said
    log = max((ROOT / ".cache/log").glob("*-deploy.log"), key=lambda path: path.stat().st_mtime).read_text()
    for secret in KNOWN_SECRETS.values():
        assert secret not in run.said
        assert secret not in log


def test_sound_hosts_are_left_in_peace_wherever_the_operator_is(lab: BareLab) -> None:
    lab.write("passwords.yml", **KNOWN_SECRETS)
    # The clock of this machine is right, whatever it calls the hour.
    run = lab.cloudctl("prechecks", TZ="Asia/Tokyo")
    assert run.status == 0, run.said
    made = yaml.safe_load((lab.inventory / "passwords.yml").read_text())
    assert made.items() > KNOWN_SECRETS.items()
    assert {"identity_token_keys", "database_password"} < set(made)


def test_secrets_that_protect_nothing(lab: BareLab) -> None:
    path = lab.inventory / "passwords.yml"
    before = path.read_text()
    path.write_text(yaml.safe_dump(yaml.safe_load(before) | {"bus_password": "hunter2", "identity_token_keys": ["abc"]}))
    try:
        run = lab.cloudctl("prechecks")
    finally:
        path.write_text(before)
    assert run.status == 1
    assert {code for _, code in run.codes()} == {"passwords.weak", "passwords.malformed"}
    assert "hunter2" not in run.said
    for failure in run.failures:
        assert str(path) in failure.reason
        assert "delete" in failure.remedy


def test_an_inventory_with_mistakes(lab: BareLab) -> None:
    lab.write_hosts({"control": ("one", "three"), "network": (), "storage": (), "compute": ("four",)})
    extra = lab.write("group_vars/all/extra.yml", cloud_nmae="x")
    try:
        run = lab.cloudctl("prechecks")
    finally:
        extra.unlink()
        lab.write_hosts()
    assert run.status == 1
    told = {failure.code: failure for failure in run.failures}
    assert set(told) == {"inventory.group_empty", "inventory.control_even", "inventory.host_idle", "inventory.variable_unknown"}
    assert "network" in told["inventory.group_empty"].reason
    assert "one, three" in told["inventory.control_even"].reason
    assert "two" in told["inventory.host_idle"].reason
    assert "cloud_name" in told["inventory.variable_unknown"].remedy


def test_an_option_that_its_role_cannot_take_stops_whatever_part_is_deployed(lab: BareLab) -> None:
    extra = lab.write("host_vars/two.yml", cloudd_tenant_mtu="abc")
    try:
        runs = [lab.cloudctl("prechecks"), lab.cloudctl("deploy", "--tags", "cloudd")]
    finally:
        extra.unlink()
    for run in runs:
        assert run.status == 1
        (told,) = run.failures
        assert told.code == "inventory.option_invalid"
        assert "host_vars/two.yml:1: cloudd_tenant_mtu is 'abc' on two" in told.reason
        assert "role cloudd" in told.remedy


def test_two_hosts_with_one_address(lab: BareLab) -> None:
    lab.write_hosts(hosts=("one", "four"), four=address_of("one"))
    try:
        run = lab.cloudctl("prechecks")
    finally:
        lab.write_hosts()
    assert run.status == 1
    assert run.codes() == {("one", "network.address_duplicate"), ("four", "network.address_duplicate")}
    assert "four" in run.of("one", "network.address_duplicate").reason
    assert "hosts.yml" in run.of("one", "network.address_duplicate").remedy


LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
SEEDED = {
    "one": """
        systemd-run --quiet --unit=squatter python3 -m http.server 443
        : >/etc/resolv.conf
    """,
    # libfaketime: programs that are started with it have another clock.
    "two": f"""
        ip link add second type bridge && ip link set second up && ip address add {NETWORK}.0.77/32 dev second
        ip address flush dev tunnel0
        fallocate -l 5G /filler
        apt-get install --yes -qq libfaketime >/dev/null
        printf '#!/bin/sh\\nexport LD_PRELOAD={LIBRARY} FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1\\nexec /usr/bin/python3 "$@"\\n' \\
            >/usr/local/bin/python_ahead
        chmod 0755 /usr/local/bin/python_ahead
    """,
    "three": f"""
        ip address add {NETWORK}.2.13/24 dev external0
        nft 'table ip fault {{ chain input {{ type filter hook input priority filter;
            ip saddr {address_of("one")} icmp type echo-request drop; }}; }}'
    """,
    "four": f"""
        ip link set tunnel0 mtu 1400
        nft 'table ip fault {{ chain input {{ type filter hook input priority filter;
            ip saddr {address_of("three")} tcp dport {{ 16514, 49152 }} drop; }}; }}'
    """,
}
#: host, code, words of the reason, words of the remedy
EXPECTED = [
    ("one", "host.port_taken", "443 is held by squatter.service", "stop and disable squatter.service"),
    ("one", "host.name_unresolved", "deb.debian.org", "/etc/resolv.conf"),
    ("one", "network.address_taken", address_of("one", 1), "find the machine with"),
    ("one", "network.peer_unreachable", f"three ({address_of('three')}) does not answer on the management network", "ping -I host0"),
    ("one", "network.path_mtu_small", "1500 bytes do not reach four", "ping -M do"),
    ("one", "network.virtual_address_taken", VIRTUAL_ADDRESS, "api_address"),
    ("one", "network.vrrp_id_taken", f"{STRANGERS_ADDRESS}, no host of this cloud", "keepalived_virtual_router_id"),
    ("two", "network.interface_ambiguous", "host0, second are all on the management network", "leave only one"),
    ("two", "network.interface_missing", "no NIC has an address on the tunnel network", "give one NIC an address"),
    ("two", "host.clock_off", "its clock is +36", "chrony"),
    ("two", "host.disk_small", "GiB are free for /opt and /var/lib, 6 are needed", "make room"),
    ("three", "host.memory_small", "99999999 are needed", "prechecks_memory_mib"),
    ("three", "network.external_interface_has_address", f"external0 has the address {NETWORK}.2.13", "take the address away"),
    ("three", "network.path_mtu_small", "1500 bytes do not reach four", "ping -M do"),
    ("three", "network.port_filtered", f"four ({address_of('four')}), TCP 16514, 49152", f"let {address_of('three')} in"),
    ("three", "network.virtual_address_taken", VIRTUAL_ADDRESS, "api_address"),
    ("three", "network.vrrp_id_taken", STRANGERS_ADDRESS, "keepalived_virtual_router_id"),
    ("four", "network.mtu_small", "tunnel0 on the tunnel network has MTU 1400", "set the NIC's MTU to 1500"),
]


@pytest.mark.usefixtures("stranger")
def test_every_fault_is_told_in_one_run_and_nothing_else(lab: BareLab) -> None:
    lab.on_all(SEEDED)
    lab.write("host_vars/two.yml", ansible_python_interpreter="/usr/local/bin/python_ahead")
    lab.write("host_vars/three.yml", prechecks_memory_mib=99999999)
    run = lab.cloudctl("prechecks")
    assert run.status == 1
    for host, code, reason, remedy in EXPECTED:
        assert (host, code) in run.codes(), f"{code} of {host} was not found:\n{run.said}"
        found = [failure for failure in run.failures if (failure.host, failure.code) == (host, code)]
        assert [one for one in found if reason in one.reason and remedy in one.remedy], found
    assert run.codes() == {(host, code) for host, code, _, _ in EXPECTED}
