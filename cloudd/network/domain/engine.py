"""Keeps the engine in step with the rows: applies changes as they come, and compares everything now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from cloudd.kit.clock import now
from cloudd.network.domain.realization import METADATA, Realization
from cloudd.network.domain.records import Ground
from cloudd.network.drivers.base import KINDS, DependencyMissing, DriverError, Kind, NetworkDriver, PortState
from cloudd.network.errors import EngineUnavailable
from cloudd.network.messages import ApplyChanges, NetworksOfHost, ServedNetwork, ServedNetworks
from cloudd.network.store.change import Change, change_table
from cloudd.network.store.network import network_table
from cloudd.network.store.port import port_table
from cloudd.network.store.subnet import subnet_table

log = logging.getLogger(__name__)

BATCH = 200
RETRY_SECONDS = (1, 2, 5, 10, 30)
RANK = {kind: place for place, kind in enumerate(KINDS)}


class Engine:
    def __init__(self, ground: Ground, driver: NetworkDriver) -> None:
        self._db = ground.cloud.db
        self._stores = ground.stores
        self._driver = driver
        self._rows = Realization(ground.stores, ground.settings.dns_nameservers)
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._driver.start(self._port_state_changed, self._chassis_changed)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._driver.stop()

    async def apply(self, message: ApplyChanges | None = None) -> None:
        """Tell the engine all changes that are due; also what a reconciler activates."""
        async with self._turn:
            while True:
                async with self._db.read() as tx:
                    due = await self._stores.changes.find(tx, change_table.c.due_at <= now(), order=change_table.c.due_at, limit=BATCH)
                if not due:
                    return
                for change in sorted(due, key=lambda item: RANK[item.kind]):
                    await self._apply_one(change)

    async def _apply_one(self, change: Change) -> None:
        try:
            await self.sync(change.kind, change.object_id)
        except DriverError as error:
            wait = RETRY_SECONDS[min(change.attempts, len(RETRY_SECONDS) - 1)]
            log.warning("%s %s: %s; again in %s s", change.kind, change.object_id, error, wait)
            values = {"attempts": change.attempts + 1, "error": str(error), "due_at": now() + timedelta(seconds=wait)}
            async with self._db.write() as tx:
                await self._stores.changes.update(tx, change.id, change_table.c.token == change.token, **values)
            self._spawn(self._apply_later(wait))
            return
        async with self._db.write() as tx:
            await self._stores.changes.delete(tx, change.id, change_table.c.token == change.token)

    async def _apply_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds + 0.05)
        await self.apply()

    async def sync(self, kind: Kind, object_id: str) -> bool:
        """Bring one object to the state of its rows; whether the engine had to change something."""
        async with self._db.read() as tx:
            if kind == "network":
                network = await self._rows.network(tx, object_id)
            elif kind == "port":
                port = await self._rows.port(tx, object_id)
            elif kind == "router":
                router = await self._rows.router(tx, object_id)
            else:
                group = await self._rows.security_group(tx, object_id)
        if kind == "network":
            return await (self._driver.sync_network(network) if network else self._driver.delete(kind, object_id))
        if kind == "port":
            return await (self._driver.sync_port(port) if port else self._driver.delete(kind, object_id))
        if kind == "router":
            return await (self._driver.sync_router(router) if router else self._driver.delete(kind, object_id))
        return await (self._driver.sync_security_group(group) if group else self._driver.delete(kind, object_id))

    async def reconcile(self) -> None:
        """Compare rows and engine whole, both ways: what is missing or differs is made right, what nobody knows goes."""
        await self.apply()
        try:
            held = await self._driver.inventory()
            async with self._db.read() as tx:
                wanted = await self._rows.ids(tx)
            healed: dict[str, int] = {}
            for kind in KINDS:
                # An orphan is looked up once more by sync, so one whose row came meanwhile stays.
                for object_id in [*wanted[kind], *(held[kind].keys() - wanted[kind].keys())]:
                    healed[kind] = healed.get(kind, 0) + await self._heal(kind, object_id)
            if any(healed.values()):
                log.warning("healed in the engine: %s", ", ".join(f"{count} {kind}" for kind, count in healed.items() if count))
            for port_id, up in (await self._driver.port_states()).items():
                await self._set_port_state(PortState(port_id, up))
        except DriverError as error:
            raise EngineUnavailable(reason=str(error)) from error

    async def _heal(self, kind: Kind, object_id: str) -> bool:
        async with self._turn:
            try:
                return await self.sync(kind, object_id)
            except DependencyMissing as error:
                log.warning("%s %s: %s; next time", kind, object_id, error)
                return False

    def _port_state_changed(self, state: PortState) -> None:
        self._spawn(self._set_port_state(state))

    def _chassis_changed(self) -> None:
        self._spawn(self._place_gateways())

    async def _place_gateways(self) -> None:
        """Hosts came or went: every router looks for its gateway hosts again."""
        await asyncio.sleep(1)
        async with self._db.read() as tx:
            routers = await self._stores.routers.find(tx)
        for router in routers:
            try:
                await self.sync("router", router.id)
            except DriverError as error:
                log.warning("router %s: %s; the reconciler tries again", router.id, error)

    async def _set_port_state(self, state: PortState) -> None:
        status = "ACTIVE" if state.up else "DOWN"
        column = port_table.c
        async with self._db.read() as tx:
            port = await self._stores.ports.get(tx, state.port_id)
        if port is None or port.status in (status, "N/A") or port.device_owner == METADATA:
            return
        async with self._db.write() as tx:
            await self._stores.ports.update(tx, state.port_id, column.status != status, status=status)

    async def networks_of_host(self, message: NetworksOfHost) -> ServedNetworks:
        """What the host's metadata agent must serve: the networks of the ports that are bound there."""
        column = port_table.c
        async with self._db.read() as tx:
            bound = {port.network_id for port in await self._stores.ports.find(tx, column.binding_host == message.host)}
            ports = await self._stores.ports.find(tx, column.network_id.in_(bound), column.device_owner == METADATA)
            held = await self._stores.addresses.of_ports(tx, [port.id for port in ports])
            networks = {item.id: item for item in await self._stores.networks.find(tx, network_table.c.id.in_(bound))}
            subnets = {item.id: item for item in await self._stores.subnets.find(tx, subnet_table.c.network_id.in_(bound))}
        return ServedNetworks(
            networks=[
                ServedNetwork(
                    network_id=port.network_id,
                    port_id=port.id,
                    mac_address=port.mac_address,
                    mtu=networks[port.network_id].mtu,
                    addresses=[f"{item.ip_address}/{subnets[item.subnet_id].cidr.partition('/')[2]}" for item in held[port.id]],
                )
                for port in ports
            ]
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
