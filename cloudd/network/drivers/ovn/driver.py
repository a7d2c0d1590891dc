"""The network driver that writes OVN's northbound database and reads hosts from the southbound one."""

import asyncio
import logging
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
from cloudd.network.drivers.ovn.database import Database
from cloudd.network.drivers.ovn.rows import ID, KIND, REVISION, create_indexes

log = logging.getLogger(__name__)

NORTHBOUND_TABLES = (
    "Logical_Switch", "Logical_Switch_Port", "DHCP_Options", "Port_Group", "ACL", "Logical_Router", "Logical_Router_Port",
    "Logical_Router_Static_Route", "NAT", "Gateway_Chassis", "NB_Global",
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

    def __init__(
        self, northbound: str, southbound: str | None = None, *, timeout_seconds: int = 10, tls: tuple[str, str, str] | None = None
    ) -> None:
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
                tables=("Chassis",),
                listeners={"Chassis": self._chassis_changed},
                timeout_seconds=timeout_seconds,
                tls=tls,
            )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_port_state: Callable[[PortState], None] | None = None
        self._on_chassis_change: Callable[[], None] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._states: dict[str, bool] = {}

    async def start(self, on_port_state: Callable[[PortState], None], on_chassis_change: Callable[[], None]) -> None:
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
        return await self._write(lambda txn, tables: network.sync(txn, tables, spec))

    async def sync_port(self, spec: PortSpec) -> bool:
        return await self._write(lambda txn, tables: port.sync(txn, tables, spec))

    async def sync_router(self, spec: RouterSpec) -> bool:
        chassis = await self.chassis()
        return await self._write(lambda txn, tables: router.sync(txn, tables, spec, chassis))

    async def sync_security_group(self, spec: SecurityGroupSpec) -> bool:
        return await self._write(lambda txn, tables: security_group.sync(txn, tables, spec))

    async def delete(self, kind: Kind, object_id: str) -> bool:
        rooms = {"network": network, "port": port, "router": router, "security_group": security_group}
        return await self._write(lambda txn, tables: bool(rooms[kind].delete(tables, object_id)))

    async def inventory(self) -> dict[Kind, dict[str, int]]:
        def collect(tables: Any) -> dict[Kind, dict[str, int]]:
            found: dict[Kind, dict[str, int]] = {}
            for kind, table in KIND_TABLES.items():
                marks = (row.external_ids for row in tables[table].rows.values())
                found[kind] = {ids[ID]: int(ids.get(REVISION, "0")) for ids in marks if ids.get(KIND) == kind}
            return found

        return await self._northbound.read(collect)

    async def port_states(self) -> dict[str, bool]:
        def collect(tables: Any) -> dict[str, bool]:
            rows = tables["Logical_Switch_Port"].rows.values()
            return {row.external_ids[ID]: row.up == [True] for row in rows if row.external_ids.get(KIND) == "port"}

        return await self._northbound.read(collect)

    async def chassis(self) -> list[Chassis]:
        if self._southbound is None:
            return []
        return await self._southbound.read(lambda tables: [_chassis(row) for row in tables["Chassis"].rows.values()])

    async def _write(self, function: Callable[[Any, Any], bool]) -> bool:
        return await self._northbound.write(lambda txn: function(txn, txn.idl.tables))

    # The two below run in the connection's thread.

    def _port_changed(self, event: str, row: Any) -> None:
        if row.external_ids.get(KIND) != "port":
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

    def _chassis_changed(self, event: str, row: Any) -> None:
        if event != "update" and self._loop is not None and self._on_chassis_change is not None:
            self._loop.call_soon_threadsafe(self._tell_chassis_change)

    def _tell_port_state(self, state: PortState) -> None:
        if self._on_port_state is not None:
            self._on_port_state(state)

    def _tell_chassis_change(self) -> None:
        if self._on_chassis_change is not None:
            self._on_chassis_change()


def _chassis(row: Any) -> Chassis:
    # Where ovn-controller puts its settings differs between releases.
    settings = dict(row.external_ids) | dict(row.other_config)
    options = settings.get("ovn-cms-options", "").split(",")
    mappings = [item.partition(":")[0] for item in settings.get("ovn-bridge-mappings", "").split(",") if item]
    return Chassis(
        name=row.name,
        hostname=row.hostname,
        alive=True,
        gateway="enable-chassis-as-gw" in options,
        physical_networks=tuple(mappings),
    )
