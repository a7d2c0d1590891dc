"""Keeps the engine in step with the rows: applies changes as they come, and compares everything now and then."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.realization import METADATA, Realization
from cloudd.network.domain.records import Ground
from cloudd.network.drivers.base import KINDS, DependencyMissing, DriverError, Kind, NetworkDriver, PortState
from cloudd.network.errors import EngineUnavailable
from cloudd.network.messages import ApplyChanges, NetworksOfHost, ServedNetwork, ServedNetworks
from cloudd.network.store.agent import MetadataAgent
from cloudd.network.store.change import Change, change_table
from cloudd.network.store.mark import Mark
from cloudd.network.store.network import network_table
from cloudd.network.store.port import port_table
from cloudd.network.store.subnet import subnet_table

log = logging.getLogger(__name__)

BATCH = 200
RETRY_SECONDS = (1, 2, 5, 10, 30)
#: How often an object is looked at again while its rows move.
SETTLE_TRIES = 3
#: Hosts rarely come or go alone.
PLACE_SECONDS = 1.0
MARK = "engine"
RANK = {kind: place for place, kind in enumerate(KINDS)}


class Engine:
    def __init__(self, ground: Ground, driver: NetworkDriver) -> None:
        self._ground = ground
        self._db = ground.cloud.db
        self._stores = ground.stores
        self._driver = driver
        self._rows = Realization(ground.stores, ground.settings.dns_nameservers)
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing: asyncio.Task[None] | None = None
        self._up: dict[str, bool] = {}

    async def start(self) -> None:
        await self._driver.start(await self._cloud_id(), self._port_state_changed, self._chassis_changed)

    async def _cloud_id(self) -> str:
        """The mark of this cloud's objects in the engine: the first process of all makes it."""

        async def work(tx: Transaction) -> str:
            mark = await self._stores.marks.get(tx, MARK)
            if mark is None:
                mark = Mark(id=MARK, cloud_id=str(uuid4()))
                await self._stores.marks.insert(tx, mark)
            return mark.cloud_id

        return await self._ground.write(work)

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
            done = await self._stores.changes.delete(tx, change.id, change_table.c.token == change.token)
        if not done:
            # It was changed again meanwhile, and perhaps another worker was faster with the newer state than this one with the older.
            await self._heal(change.kind, change.object_id)

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
                    async with self._turn:
                        healed[kind] = healed.get(kind, 0) + await self._heal(kind, object_id)
            if any(healed.values()):
                log.warning("healed in the engine: %s", ", ".join(f"{count} {kind}" for kind, count in healed.items() if count))
            for port_id, up in (await self._driver.port_states()).items():
                await self._set_port_state(PortState(port_id, up))
        except DriverError as error:
            raise EngineUnavailable(reason=str(error)) from error

    async def _heal(self, kind: Kind, object_id: str) -> bool:
        """Bring the object to the state of its rows until that changes nothing: the rows may move while the engine is told."""
        try:
            changed = await self.sync(kind, object_id)
            for _ in range(SETTLE_TRIES):
                if not changed or not await self.sync(kind, object_id):
                    break
        except DependencyMissing as error:
            log.warning("%s %s: %s; next time", kind, object_id, error)
            return False
        return changed

    def _port_state_changed(self, state: PortState) -> None:
        self._up[state.port_id] = state.up
        self._spawn(self._set_port_state(state))

    def _chassis_changed(self) -> None:
        if self._placing is None or self._placing.done():
            self._placing = self._spawn(self._place_gateways())

    async def _place_gateways(self) -> None:
        """Hosts came or went: every router looks for its gateway hosts again. All workers see it; the first does the work."""
        await asyncio.sleep(PLACE_SECONDS + secrets.randbelow(1000) / 1000)
        self._placing = None
        async with self._db.read() as tx:
            routers = await self._stores.routers.find(tx)
        for router in routers:
            try:
                await self._heal("router", router.id)
            except DriverError as error:
                log.warning("router %s: %s; the reconciler tries again", router.id, error)

    async def ask_for_life(self) -> None:
        """Let the hosts show that they live."""
        try:
            await self._driver.ask_for_life()
        except DriverError as error:
            raise EngineUnavailable(reason=str(error)) from error

    async def settle(self, kind: Kind, *object_ids: str) -> None:
        """Tell the engine now, for who cannot wait for a worker's turn; where it fails, the worker still has the change to do."""
        for object_id in object_ids:
            try:
                await self._heal(kind, object_id)
            except DriverError as error:
                log.warning("%s %s: %s; it is tried again", kind, object_id, error)

    async def _set_port_state(self, state: PortState) -> None:
        # What was heard last counts, not what was heard when this task began.
        status = "ACTIVE" if self._up.get(state.port_id, state.up) else "DOWN"
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
        await self._heard_of(message.host)
        async with self._db.read() as tx:
            there = (column.binding_host == message.host) | (column.binding_destination == message.host)
            bound = {port.network_id for port in await self._stores.ports.find(tx, there)}
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

    async def _heard_of(self, host: str) -> None:
        """The host's metadata agent lives."""

        async def work(tx: Transaction) -> None:
            if not await self._stores.agents.update(tx, host, heard_at=now()):
                await self._stores.agents.insert(tx, MetadataAgent(id=host, created_at=now(), heard_at=now()))

        await self._ground.write(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
