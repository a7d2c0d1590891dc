"""The agent of one compute host: messages in, driver calls out, heartbeats with what the host has."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakValueDictionary

from cloudd.compute import messages as m
from cloudd.compute.agent.image import HostImages
from cloudd.compute.drivers.base import (
    ComputeDriver,
    Diagnostics,
    DiskOffer,
    DomainNotFoundError,
    DomainState,
    DriverError,
    MigrationProgress,
)
from cloudd.compute.errors import HostFailed, HostFailedForNow, NoDomain
from cloudd.kit.bus import Bus, Message
from cloudd.kit.errors import RemoteFailure
from cloudd.kit.settings import HostSettings

log = logging.getLogger(__name__)

_POWER_ACTS = frozenset({"pause", "unpause", "suspend", "resume"})


@contextmanager
def _conditions(server_id: str) -> Iterator[None]:
    """A driver's error leaves as the service's condition."""
    try:
        yield
    except DomainNotFoundError:
        raise NoDomain(server_id=server_id) from None
    except DriverError as error:
        log.warning("server %s: %s: %s", server_id, error.code, error.message)
        kind = HostFailedForNow if error.retryable else HostFailed
        raise kind(reason=error.message, driver_code=error.code) from error


class ComputeAgent:
    """Acts on one server are done one after another; on different servers side by side."""

    def __init__(self, driver: ComputeDriver, images: HostImages, bus: Bus, host: HostSettings, heartbeat_seconds: float) -> None:
        self.driver = driver
        self.images = images
        self.host = host
        self._bus = bus
        self._heartbeat_seconds = heartbeat_seconds
        # A turn lives as long as somebody holds or awaits it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._beating: asyncio.Task[None] | None = None
        # False until the control plane has said what this host may run, and again after it was cut off.
        self._is_sure = False
        self._is_serving = False

    async def start(self) -> None:
        await self.driver.start()
        await self.images.start()
        # The first one before anything else, so that the host is known as soon as the agent is up.
        await self._beat_once()
        self._beating = asyncio.create_task(self._beat())

    def _serve(self) -> None:
        handlers: dict[type[Message], Callable[[Any], Awaitable[Any]]] = {
            m.ListDomains: self._list_domains,
            m.BuildServer: self._build,
            m.DestroyServer: self._destroy,
            m.StopServer: self._stop,
            m.RebootServer: self._reboot,
            m.ChangePower: self._change_power,
            m.ConsoleOutput: self._console_output,
            m.Diagnose: self._diagnose,
            m.AttachDisk: self._attach_disk,
            m.DetachDisk: self._detach_disk,
            m.ExtendDisk: self._extend_disk,
            m.AttachInterface: self._attach_interface,
            m.DetachInterface: self._detach_interface,
            m.SnapshotRoot: self._snapshot_root,
            m.ResizeServer: self._resize,
            m.ConfirmResize: self._confirm_resize,
            m.RevertResize: self._revert_resize,
            m.OfferDisks: self._offer_disks,
            m.WithdrawDisks: self._withdraw_disks,
            m.ReceiveDisks: self._receive_disks,
            m.StartMigration: self._start_migration,
            m.ShowMigration: self._show_migration,
            m.AbortMigration: self._abort_migration,
            m.ForceMigration: self._force_migration,
        }
        self._bus.serve(m.agent_topic(self.host.name), handlers)
        self._is_serving = True

    async def stop(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        self._bus.withdraw(m.agent_topic(self.host.name))
        await self.driver.close()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            await self._beat_once()

    async def _beat_once(self) -> None:
        try:
            if not self._is_sure:
                await self._remove_what_moved_away()
                self._is_sure = True
            if not self._is_serving:
                self._serve()
            heartbeat = m.Heartbeat(
                host=self.host.name,
                address=self.host.management_address,
                availability_zone=self.host.availability_zone,
                capacity=await self.driver.capacity(),
            )
            await self._bus.call(m.CONTROL, heartbeat, timeout_seconds=self._heartbeat_seconds * 2)
        except Exception as error:
            # Whoever was cut off may have lost servers to other hosts meanwhile: it asks before it goes on.
            self._is_sure = False
            log.warning("heartbeat of %s was lost: %s", self.host.name, error)

    async def _remove_what_moved_away(self) -> None:
        """Nothing runs twice: what the control plane has moved elsewhere goes before any order is taken."""
        report = m.ReportServers(host=self.host.name, server_ids=await self.driver.holdings())
        try:
            removals: list[m.Removal] = await self._bus.call(m.CONTROL, report, timeout_seconds=max(10, self._heartbeat_seconds * 2))
        except RemoteFailure as error:
            # A control plane that is one version older cannot be asked yet.
            if "does not understand" not in error.text:
                raise
            return
        for removal in removals:
            log.warning("server %s is elsewhere now, or deleted; it is removed from this host", removal.server_id)
            async with self._turn(removal.server_id):
                await self.driver.destroy(removal.server_id, keep_disks=removal.keep_disks)

    @asynccontextmanager
    async def _turn(self, server_id: str) -> AsyncIterator[None]:
        """One act at a time on a server; what only reads waits for nobody."""
        turn = self._turns.setdefault(server_id, asyncio.Lock())
        with _conditions(server_id):
            async with turn:
                yield

    async def _list_domains(self, _message: m.ListDomains) -> list[DomainState]:
        try:
            return await self.driver.domains()
        except DriverError as error:
            raise HostFailedForNow(reason=error.message, driver_code=error.code) from error

    async def _build(self, message: m.BuildServer) -> None:
        async with self._turn(message.spec.server_id), self.images.held(message.spec) as spec:
            await self.driver.build(spec, power_on=message.power_on)

    async def _destroy(self, message: m.DestroyServer) -> None:
        async with self._turn(message.server_id):
            await self.driver.destroy(message.server_id, keep_disks=message.keep_disks)

    async def _stop(self, message: m.StopServer) -> None:
        async with self._turn(message.server_id):
            await self.driver.power_off(message.server_id, timeout_seconds=message.timeout_seconds)

    async def _reboot(self, message: m.RebootServer) -> None:
        async with self._turn(message.spec.server_id):
            await self.driver.reboot(message.spec, message.kind, timeout_seconds=message.timeout_seconds)

    async def _change_power(self, message: m.ChangePower) -> None:
        if message.act not in _POWER_ACTS:
            raise HostFailed(reason=f"This host does not know the act {message.act!r}.")
        async with self._turn(message.server_id):
            await getattr(self.driver, message.act)(message.server_id)

    async def _console_output(self, message: m.ConsoleOutput) -> str:
        with _conditions(message.server_id):
            return await self.driver.console_output(message.server_id, line_count=message.line_count)

    async def _diagnose(self, message: m.Diagnose) -> Diagnostics:
        with _conditions(message.server_id):
            return await self.driver.diagnostics(message.server_id)

    async def _attach_disk(self, message: m.AttachDisk) -> None:
        async with self._turn(message.server_id):
            await self.driver.attach_disk(message.server_id, message.disk)

    async def _detach_disk(self, message: m.DetachDisk) -> None:
        async with self._turn(message.server_id):
            await self.driver.detach_disk(message.server_id, message.volume_id)

    async def _extend_disk(self, message: m.ExtendDisk) -> None:
        async with self._turn(message.server_id):
            await self.driver.extend_disk(message.server_id, message.volume_id, message.size_gib)

    async def _attach_interface(self, message: m.AttachInterface) -> None:
        async with self._turn(message.server_id):
            await self.driver.attach_interface(message.server_id, message.interface)

    async def _detach_interface(self, message: m.DetachInterface) -> None:
        async with self._turn(message.server_id):
            await self.driver.detach_interface(message.server_id, message.port_id, message.mac_address)

    async def _snapshot_root(self, message: m.SnapshotRoot) -> None:
        async with self._turn(message.server_id):
            await self.images.hand_in(message.target, lambda path: self.driver.snapshot_root(message.server_id, path))

    async def _resize(self, message: m.ResizeServer) -> None:
        async with self._turn(message.spec.server_id):
            await self.driver.resize(message.spec, power_on=message.power_on)

    async def _confirm_resize(self, message: m.ConfirmResize) -> None:
        async with self._turn(message.server_id):
            await self.driver.confirm_resize(message.server_id)

    async def _revert_resize(self, message: m.RevertResize) -> None:
        async with self._turn(message.spec.server_id):
            await self.driver.revert_resize(message.spec, power_on=message.power_on)

    async def _offer_disks(self, message: m.OfferDisks) -> DiskOffer:
        async with self._turn(message.server_id):
            return await self.driver.offer_disks(message.server_id)

    async def _withdraw_disks(self, message: m.WithdrawDisks) -> None:
        async with self._turn(message.server_id):
            await self.driver.withdraw_disks(message.server_id)

    async def _receive_disks(self, message: m.ReceiveDisks) -> None:
        async with self._turn(message.spec.server_id):
            await self.driver.receive_disks(message.spec, message.offer, copy=message.copy)

    async def _start_migration(self, message: m.StartMigration) -> None:
        async with self._turn(message.server_id):
            await self.driver.start_migration(message.server_id, message.address)

    async def _show_migration(self, message: m.ShowMigration) -> MigrationProgress:
        async with self._turn(message.server_id):
            return await self.driver.migration_progress(message.server_id)

    async def _abort_migration(self, message: m.AbortMigration) -> None:
        async with self._turn(message.server_id):
            await self.driver.abort_migration(message.server_id)

    async def _force_migration(self, message: m.ForceMigration) -> None:
        async with self._turn(message.server_id):
            await self.driver.force_migration(message.server_id)
