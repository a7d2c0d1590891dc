"""A northbound database in three members over TLS: the leader hangs, dies, comes back, and no change that was acknowledged is lost."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloudd.network.drivers.base import FixedIp, NetworkSpec, PortSpec
from cloudd.network.drivers.ovn import OvnDriver, Tls
from tests.contract.network import specs
from tests.contract.network.conftest import SCHEMA, needs_ovn

pytestmark = [needs_ovn, pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"), pytest.mark.real]
MEMBERS = 3
#: Members elect another leader after one to two of these.
ELECTION_MILLISECONDS = 1000
#: Detection (two probes of a second), election, connection, and a machine that does other things too.
LONGEST_SECONDS = 8.0


class Cluster:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = free_ports(2 * MEMBERS)
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * MEMBERS
        self.tls = Tls(f"{directory}/key.pem", f"{directory}/cert.pem", f"{directory}/cert.pem")
        subject = ["-subj", "/CN=localhost", "-days", "2", "-newkey", "rsa:2048", "-nodes"]
        files = ["-keyout", self.tls.key_path, "-out", self.tls.certificate_path]
        subprocess.run(["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True)

    @property
    def remote(self) -> str:
        return ",".join(f"ssl:127.0.0.1:{port}" for port in self.ports[:MEMBERS])

    def address(self, number: int) -> str:
        return f"ssl:127.0.0.1:{self.ports[MEMBERS + number]}"

    def make(self) -> None:
        for number in range(MEMBERS):
            file = f"{self.directory}/{number}.db"
            if number:
                arguments = ["join-cluster", file, "OVN_Northbound", self.address(number), self.address(0)]
            else:
                arguments = [f"--election-timer={ELECTION_MILLISECONDS}", "create-cluster", file, str(SCHEMA), self.address(0)]
            subprocess.run(["ovsdb-tool", "-vconsole:off", *arguments], check=True)
            self.start(number)

    def start(self, number: int) -> None:
        path = self.directory
        files = [f"--private-key={self.tls.key_path}", f"--certificate={self.tls.certificate_path}", f"--ca-cert={self.tls.ca_path}"]
        remotes = [f"--remote=pssl:{self.ports[number]}:127.0.0.1", f"--unixctl={path}/{number}.ctl"]
        self.processes[number] = subprocess.Popen(
            ["ovsdb-server", *remotes, *files, "--no-chdir", "-vconsole:off", f"{path}/{number}.db"],
            env={"OVS_RUNDIR": str(path), "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
        )

    def status(self, number: int) -> str:
        command = ["ovs-appctl", "--timeout=2", "-t", f"{self.directory}/{number}.ctl", "cluster/status", "OVN_Northbound"]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout

    def leader(self) -> int | None:
        return next((number for number in range(MEMBERS) if "Role: leader" in self.status(number)), None)

    def is_whole(self) -> bool:
        """All are members of one term with one leader: one that hung still takes itself for the leader until it hears of the next term."""
        told = [self.status(number) for number in range(MEMBERS)]
        terms = {line for text in told for line in text.splitlines() if line.startswith("Term:")}
        leaders = sum("Role: leader" in text for text in told)
        return leaders == 1 and len(terms) == 1 and all("Status: cluster member" in text for text in told)

    def await_whole(self) -> None:
        deadline = time.monotonic() + 30
        while not self.is_whole():
            assert time.monotonic() < deadline, [self.status(number) for number in range(MEMBERS)]
            time.sleep(0.1)

    def signal(self, number: int, kind: signal.Signals) -> None:
        process = self.processes[number]
        assert process is not None
        os.kill(process.pid, kind)
        if kind is signal.SIGKILL:
            process.wait(10)

    def stop(self) -> None:
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(10)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [item.getsockname()[1] for item in held]
    for item in held:
        item.close()
    return numbers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.make()
        made.await_whole()
        yield made
    finally:
        made.stop()


def numbered(network: NetworkSpec, number: int) -> PortSpec:
    mac = f"fa:16:3e:01:{number // 256:02x}:{number % 256:02x}"
    return specs.port(network, mac_address=mac, fixed_ips=(FixedIp(network.subnets[0].id, f"10.0.{number // 250}.{number % 250 + 3}"),))


async def test_writers_outlive_their_leader(cluster: Cluster) -> None:
    writers = [OvnDriver(cluster.remote, tls=cluster.tls, timeout_seconds=20) for _ in range(2)]
    network = specs.network()
    acknowledged: list[str] = []
    gaps: dict[str, float] = {}
    for writer in writers:
        await writer.start("a", lambda state: None, lambda: None)
    await writers[0].sync_network(network)

    async def write(writer: OvnDriver, first: int, until: asyncio.Event) -> float:
        """Ports one after the other; answers the longest that one took."""
        longest, number = 0.0, first
        while not until.is_set():
            port = numbered(network, number)
            began = time.monotonic()
            await writer.sync_port(port)
            longest = max(longest, time.monotonic() - began)
            acknowledged.append(port.id)
            number += 2
            await asyncio.sleep(0.02)
        return longest

    for place, fault in enumerate((signal.SIGKILL, signal.SIGSTOP)):
        done = asyncio.Event()
        tasks = [asyncio.create_task(write(writer, 500 * place + item, done)) for item, writer in enumerate(writers)]
        await asyncio.sleep(0.5)
        leader = await asyncio.to_thread(cluster.leader)
        assert leader is not None
        cluster.signal(leader, fault)
        # A write that the fault falls into ends before its writer looks whether it is done.
        await asyncio.sleep(LONGEST_SECONDS / 2)
        done.set()
        gaps[fault.name] = max(await asyncio.gather(*tasks))
        if fault is signal.SIGKILL:
            cluster.start(leader)
        else:
            cluster.signal(leader, signal.SIGCONT)
        await asyncio.to_thread(cluster.await_whole)
    print({name: round(seconds, 2) for name, seconds in gaps.items()}, len(acknowledged))
    assert all(seconds < LONGEST_SECONDS for seconds in gaps.values()), gaps
    fresh = OvnDriver(cluster.remote, tls=cluster.tls)
    await fresh.start("a", lambda state: None, lambda: None)
    held = await fresh.inventory()
    lost = [number for number, port_id in enumerate(acknowledged) if port_id not in held["port"]]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged ports are lost: {lost[:20]}"
    assert held["network"] == {network.id: 1}
    for driver in (*writers, fresh):
        await driver.stop()


async def test_a_member_that_does_not_answer_is_passed_over_at_the_start(cluster: Cluster) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    driver = OvnDriver(f"ssl:127.0.0.1:{silent.getsockname()[1]},{cluster.remote}", tls=cluster.tls)
    began = time.monotonic()
    await driver.start("b", lambda state: None, lambda: None)
    assert (await driver.inventory())["network"] == {}
    assert time.monotonic() - began < LONGEST_SECONDS
    await driver.stop()
    silent.close()


async def test_a_certificate_of_strangers_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    strangers = msgspec.structs.replace(cluster.tls, ca_path=str(tmp_path / "other.pem"))
    subject = ["-x509", "-subj", "/CN=other", "-days", "2", "-newkey", "rsa:2048", "-nodes"]
    made = ["openssl", "req", *subject, "-keyout", "/dev/null", "-out", strangers.ca_path]
    await asyncio.to_thread(subprocess.run, made, check=True, capture_output=True)
    driver = OvnDriver(cluster.remote, tls=strangers, timeout_seconds=2)
    with pytest.raises(Exception, match="does not answer"):
        await driver.inventory()
    await driver.stop()
