"""The agent of one compute host: messages in, driver calls out, heartbeats with what the host has."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from cloudd.compute import messages as m
from cloudd.compute.agent.image import HostImages
from cloudd.compute.drivers.base import ComputeDriver, DomainNotFoundError, DomainState, DriverError
from cloudd.compute.errors import HostFailed, HostFailedForNow, NoDomain
from cloudd.kit.bus import Bus, Message
from cloudd.kit.settings import HostSettings

log = logging.getLogger(__name__)

_POWER_ACTS = frozenset({"pause", "unpause", "suspend", "resume"})


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

    async def start(self) -> None:
        await self.driver.start()
        await self.images.start()
        handlers: dict[type[Message], Callable[[Any], Awaitable[Any]]] = {
            m.ListDomains: self._list_domains,
            m.BuildServer: self._build,
            m.DestroyServer: self._destroy,
            m.StopServer: self._stop,
            m.RebootServer: self._reboot,
            m.ChangePower: self._change_power,
            m.ConsoleOutput: self._console_output,
            m.AttachDisk: self._attach_disk,
            m.DetachDisk: self._detach_disk,
            m.ExtendDisk: self._extend_disk,
            m.AttachInterface: self._attach_interface,
            m.DetachInterface: self._detach_interface,
            m.SnapshotRoot: self._snapshot_root,
            m.ResizeServer: self._resize,
            m.ConfirmResize: self._confirm_resize,
            m.RevertResize: self._revert_resize,
        }
        self._bus.serve(m.agent_topic(self.host.name), handlers)
        # The first one before anything else, so that the host is known as soon as the agent is up.
        await self._beat_once()
        self._beating = asyncio.create_task(self._beat())

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
            heartbeat = m.Heartbeat(
                host=self.host.name,
                address=self.host.management_address,
                availability_zone=self.host.availability_zone,
                capacity=await self.driver.capacity(),
            )
            await self._bus.call(m.CONTROL, heartbeat, timeout_seconds=self._heartbeat_seconds * 2)
        except Exception as error:
            log.warning("heartbeat of %s was lost: %s", self.host.name, error)

    @asynccontextmanager
    async def _turn(self, server_id: str) -> AsyncIterator[None]:
        """One act at a time on a server; a driver's error leaves as the service's condition."""
        turn = self._turns.setdefault(server_id, asyncio.Lock())
        try:
            async with turn:
                yield
        except DomainNotFoundError:
            raise NoDomain(server_id=server_id) from None
        except DriverError as error:
            log.warning("server %s: %s: %s", server_id, error.code, error.message)
            kind = HostFailedForNow if error.retryable else HostFailed
            raise kind(reason=error.message, driver_code=error.code) from error

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
        # Reading waits for nobody.
        try:
            return await self.driver.console_output(message.server_id, line_count=message.line_count)
        except DomainNotFoundError:
            raise NoDomain(server_id=message.server_id) from None
        except DriverError as error:
            raise HostFailed(reason=error.message, driver_code=error.code) from error

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
