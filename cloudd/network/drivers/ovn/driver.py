"""The network driver that writes OVN's northbound database and reads hosts from the southbound one."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from cloudd.network.drivers.base import (
    Chassis,
    DriverError,
    Kind,
    NetworkDriver,
    NetworkSpec,
    PortSpec,
    PortState,
    RouterSpec,
    SecurityGroupSpec,
)
from cloudd.network.drivers.ovn import network, port, router, security_group
from cloudd.network.drivers.ovn.chassis import HEARTBEAT_SECONDS, Hosts
from cloudd.network.drivers.ovn.database import Database, Tls
from cloudd.network.drivers.ovn.rows import CLOUD, ID, KIND, REVISION, Northbound, create_indexes

log = logging.getLogger(__name__)

NORTHBOUND_TABLES = (
    "Logical_Switch", "Logical_Switch_Port", "DHCP_Options", "Port_Group", "ACL", "Logical_Router", "Logical_Router_Port",
    "Logical_Router_Static_Route", "NAT", "Gateway_Chassis", "HA_Chassis_Group", "HA_Chassis", "NB_Global",
)  # fmt: skip
KIND_TABLES: dict[Kind, str] = {
    "network": "Logical_Switch",
    "security_group": "Port_Group",
    "port": "Logical_Switch_Port",
    "router": "Logical_Router",
}
RECONNECT_SECONDS = 3.0


class OvnDriver(NetworkDriver):
    """`southbound` None: no hosts are known, and gateways are not placed (enough for the northbound half alone)."""

    def __init__(self, northbound: str, southbound: str | None = None, *, timeout_seconds: int = 10, tls: Tls | None = None) -> None:
        self._cloud_id = ""
        self._hosts = Hosts(self._hosts_changed)
        self._northbound = Database(
            northbound,
            "OVN_Northbound",
            tables=NORTHBOUND_TABLES,
            listeners={"Logical_Switch_Port": self._port_changed},
            index=create_indexes,
            timeout_seconds=timeout_seconds,
            tls=tls,
        )
        self._southbound: Database | None = None
        if southbound is not None:
            self._southbound = Database(
                southbound,
                "OVN_Southbound",
                tables=("Chassis", "Chassis_Private", "SB_Global"),
                listeners={"Chassis": self._hosts.chassis_changed},
                timeout_seconds=timeout_seconds,
                tls=tls,
                # Only read: any member will do, and a lost leader is not even noticed.
                leader_only=False,
            )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_port_state: Callable[[PortState], None] | None = None
        self._on_chassis_change: Callable[[], None] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._states: dict[str, bool] = {}

    async def start(self, cloud_id: str, on_port_state: Callable[[PortState], None], on_chassis_change: Callable[[], None]) -> None:
        self._cloud_id = cloud_id
        self._loop = asyncio.get_running_loop()
        self._on_port_state, self._on_chassis_change = on_port_state, on_chassis_change
        self._connecting = asyncio.create_task(self._connect(), name="ovn-connect")

    async def _connect(self) -> None:
        """OVN may come up after us; until then every call fails and is tried again by its caller."""
        databases = [self._northbound] + ([self._southbound] if self._southbound is not None else [])
        for database in databases:
            while True:
                try:
                    await database.open()
                    break
                except DriverError as error:
                    log.warning("%s; trying again in %s s", error, RECONNECT_SECONDS)
                    await asyncio.sleep(RECONNECT_SECONDS)

    async def stop(self) -> None:
        self._on_port_state = self._on_chassis_change = None
        if self._connecting is not None:
            self._connecting.cancel()
        await self._northbound.close()
        if self._southbound is not None:
            await self._southbound.close()

    async def sync_network(self, spec: NetworkSpec) -> bool:
        return await self._write(lambda nb: network.sync(nb, spec))

    async def sync_port(self, spec: PortSpec) -> bool:
        return await self._write(lambda nb: port.sync(nb, spec))

    async def sync_router(self, spec: RouterSpec) -> bool:
        chassis = await self.chassis()
        return await self._write(lambda nb: router.sync(nb, spec, chassis))

    async def sync_security_group(self, spec: SecurityGroupSpec) -> bool:
        return await self._write(lambda nb: security_group.sync(nb, spec))

    async def delete(self, kind: Kind, object_id: str) -> bool:
        rooms = {"network": network, "port": port, "router": router, "security_group": security_group}
        return await self._write(lambda nb: bool(rooms[kind].delete(nb, object_id)))

    async def inventory(self) -> dict[Kind, dict[str, int]]:
        def collect(tables: Any) -> dict[Kind, dict[str, int]]:
            found: dict[Kind, dict[str, int]] = {}
            for kind, table in KIND_TABLES.items():
                marks = (row.external_ids for row in tables[table].rows.values())
                found[kind] = {ids[ID]: int(ids.get(REVISION, "0")) for ids in marks if ids.get(KIND) == kind and self._owns(ids)}
            return found

        return await self._northbound.read(collect)

    async def port_states(self) -> dict[str, bool]:
        def collect(tables: Any) -> dict[str, bool]:
            rows = tables["Logical_Switch_Port"].rows.values()
            ours = (row for row in rows if row.external_ids.get(KIND) == "port" and self._owns(row.external_ids))
            return {row.external_ids[ID]: row.up == [True] for row in ours}

        return await self._northbound.read(collect)

    async def chassis(self) -> list[Chassis]:
        if self._southbound is None:
            return []
        return await self._southbound.read(self._hosts.all)

    async def ask_for_life(self) -> None:
        def ask(nb: Northbound) -> bool:
            for root in nb.tables["NB_Global"].rows.values():
                if time.time() - root.nb_cfg_timestamp / 1000 >= HEARTBEAT_SECONDS:
                    nb.verify(root, "nb_cfg")
                    root.nb_cfg = root.nb_cfg + 1
            return True

        await self._write(ask)

    async def _write(self, function: Callable[[Northbound], bool]) -> bool:
        return await self._northbound.write(lambda txn: function(Northbound(txn, self._cloud_id)))

    def _owns(self, external_ids: dict[str, str]) -> bool:
        return external_ids.get(CLOUD) == self._cloud_id

    # The two below run in the connection's thread.

    def _port_changed(self, event: str, row: Any) -> None:
        if row.external_ids.get(KIND) != "port" or not self._owns(row.external_ids):
            return
        up = event != "delete" and row.up == [True]
        if self._states.get(row.name) == up:
            return
        if event == "delete":
            self._states.pop(row.name, None)
            return
        self._states[row.name] = up
        if self._loop is not None and self._on_port_state is not None:
            self._loop.call_soon_threadsafe(self._tell_port_state, PortState(row.name, up))

    def _hosts_changed(self) -> None:
        if self._loop is not None and self._on_chassis_change is not None:
            self._loop.call_soon_threadsafe(self._tell_chassis_change)

    def _tell_port_state(self, state: PortState) -> None:
        if self._on_port_state is not None:
            self._on_port_state(state)

    def _tell_chassis_change(self) -> None:
        if self._on_chassis_change is not None:
            self._on_chassis_change()
