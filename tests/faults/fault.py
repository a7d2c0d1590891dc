"""The faults: each is made, lasts a while, and is mended, as on real hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from tests.faults.lab import Host, Lab

#: How long a host stays off, a wire cut, a disk full.
LASTS_SECONDS = 20.0
#: A process by the words of its command line, and on which group's hosts it runs.
CONTROL_PROCESSES = {
    "haproxy": "^/usr/sbin/haproxy",
    "keepalived": "^/usr/sbin/keepalived",
    "MariaDB": "^/usr/sbin/mariadbd",
    "RabbitMQ": "beam.smp",
    "OVN northbound database": "^ovsdb-server.*ovnnb_db",
    "OVN southbound database": "^ovsdb-server.*ovnsb_db",
    "ovn-northd": "^ovn-northd",
    "cloudd api": "cloudd api",
    "cloudd worker": "cloudd worker",
    "cloudd agent of a controller": "cloudd agent",
    "iSCSI target": "^/usr/sbin/tgtd",
}
COMPUTE_PROCESSES = {
    "cloudd agent of a compute": "cloudd agent",
    "libvirt": "^/usr/sbin/(libvirtd|virtqemud)",
    "ovn-controller": "^ovn-controller ",
}
SWITCH_PROCESSES = {"ovs-vswitchd": "^ovs-vswitchd ", "Open vSwitch database": "^ovsdb-server.*conf.db"}


@dataclass(frozen=True)
class Fault:
    """`spares_canary`: it strikes the control plane alone, so no packet of a guest may be lost."""

    name: str
    make: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]] | None = None
    lasts_seconds: float = 0.0
    spares_canary: bool = True


class Leaders:
    """Who leads what at this moment: asked of the living cloud just before a fault strikes it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    async def find(self, command: str) -> Host:
        """The control host on which the command says yes."""
        for host in self.lab.in_group("control"):
            if "yes" in await self.lab.on(host, f"{command} && echo yes"):
                return host
        raise AssertionError(f"no control host says yes to: {command}")

    async def address_holder(self) -> Host:
        return await self.find(f"ip -o address show | grep -q ' {self.lab.variables['api_address']}/'")

    async def database_writer(self) -> Host:
        """Whose MariaDB has the services' connections."""
        counts = {}
        for host in self.lab.in_group("control"):
            answer = await self.lab.on(host, "mysql -NBe \"select count(*) from information_schema.processlist where db = 'cloudd'\"")
            counts[host] = int(answer or 0)
        return max(counts, key=lambda host: counts[host])

    async def ovn_leader(self) -> Host:
        return await self.find("ovs-appctl -t /run/ovn/ovnsb_db.ctl cluster/status OVN_Southbound | grep -q '^Role: leader'")

    async def others(self, host: Host) -> list[Host]:
        return [one for one in self.lab.in_group("control") if one != host]


def faults(lab: Lab, canary_host: Host) -> Iterator[Fault]:
    """All of them, in the order of the table."""
    yield from process_faults(lab, canary_host)
    yield from power_faults(lab, canary_host)
    yield from wire_faults(lab, canary_host)
    yield disk_fault(lab)


def process_faults(lab: Lab, canary_host: Host) -> Iterator[Fault]:
    leaders = Leaders(lab)

    def killing(pattern: str, where: Callable[[], Awaitable[Host]]) -> Callable[[], Awaitable[None]]:
        async def make() -> None:
            await lab.on(await where(), f"pkill -9 -f '{pattern}'")

        return make

    async def canary() -> Host:
        return canary_host

    where = {
        "MariaDB": leaders.database_writer,
        "OVN northbound database": leaders.ovn_leader,
        "OVN southbound database": leaders.ovn_leader,
    }
    for name, pattern in CONTROL_PROCESSES.items():
        yield Fault(f"kill -9 {name}", killing(pattern, where.get(name, leaders.address_holder)))
    for name, pattern in COMPUTE_PROCESSES.items():
        yield Fault(f"kill -9 {name}", killing(pattern, canary))
    for name, pattern in SWITCH_PROCESSES.items():
        yield Fault(f"kill -9 {name} under the canary", killing(pattern, canary), spares_canary=False)


def power_faults(lab: Lab, canary_host: Host) -> Iterator[Fault]:
    leaders = Leaders(lab)
    off: list[Host] = []

    def cutting(where: Callable[[], Awaitable[Host]]) -> Callable[[], Awaitable[None]]:
        async def make() -> None:
            off[:] = [await where()]
            await lab.power_off(*off)

        return make

    async def back() -> None:
        await lab.power_on(*off)

    async def all_off() -> None:
        off[:] = lab.in_group("control")
        await lab.power_off(*off)

    async def canary() -> Host:
        return canary_host

    async def other_compute() -> Host:
        return next(host for host in lab.in_group("compute") if host != canary_host)

    yield Fault("power off the controller with the virtual address", cutting(leaders.address_holder), back, LASTS_SECONDS)
    yield Fault("power off the controller that writes the database", cutting(leaders.database_writer), back, LASTS_SECONDS)
    yield Fault("power off the controller that leads OVN", cutting(leaders.ovn_leader), back, LASTS_SECONDS)
    yield Fault("power off another compute", cutting(other_compute), back, LASTS_SECONDS)
    yield Fault("power off the canary's compute", cutting(canary), back, LASTS_SECONDS, spares_canary=False)
    yield Fault("all controllers off and on again", all_off, back, LASTS_SECONDS)


def wire_faults(lab: Lab, canary_host: Host) -> Iterator[Fault]:
    leaders = Leaders(lab)

    def cutting(*, both_ways: bool) -> Callable[[], Awaitable[None]]:
        async def make() -> None:
            holder = await leaders.address_holder()
            await lab.cut([holder], await leaders.others(holder), both_ways=both_ways)

        return make

    async def cut_compute() -> None:
        await lab.cut([canary_host], lab.in_group("control"))

    yield Fault("cut the controller with the virtual address from the others", cutting(both_ways=True), lab.join, LASTS_SECONDS)
    yield Fault("the same, only what it sends", cutting(both_ways=False), lab.join, LASTS_SECONDS)
    yield Fault("cut the canary's compute from the controllers", cut_compute, lab.join, LASTS_SECONDS)


def disk_fault(lab: Lab) -> Fault:
    """A controller's disk fills up to the last byte."""
    full: list[Host] = []

    async def fill() -> None:
        full[:] = [await Leaders(lab).database_writer()]
        filled = await lab.on(
            full[0], "fallocate -l $(($(df --output=avail -B1 /var/lib | tail -1) - 4096)) /var/lib/filler; df /var/lib", 60
        )
        assert "100%" in filled, f"the disk of {full[0].name} did not fill: {filled}"

    async def empty() -> None:
        await lab.on(full[0], "rm -f /var/lib/filler")

    return Fault("fill the disk of the controller that writes the database", fill, empty, LASTS_SECONDS)
