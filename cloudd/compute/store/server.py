"""Servers, with a copy of their flavor, and the sums that quotas are checked against."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

server_table = sa.Table(
    "compute_server",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("vm_state", sa.String(32), nullable=False),
    sa.Column("task_state", sa.String(32)),
    sa.Column("power_state", sa.Integer, nullable=False),
    sa.Column("image_id", sa.String(64)),
    sa.Column("image_properties", Json(), nullable=False),
    sa.Column("flavor_id", sa.String(255), nullable=False),
    sa.Column("flavor", Json(), nullable=False),
    # The other side of a resize that waits to be confirmed.
    sa.Column("old_flavor", Json()),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("host", sa.String(255), index=True),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("pinned_availability_zone", sa.String(255)),
    sa.Column("wanted_host", sa.String(255)),
    sa.Column("key_name", sa.String(255)),
    sa.Column("key_type", sa.String(16)),
    sa.Column("public_key", sa.Text),
    sa.Column("user_data", Json()),
    sa.Column("admin_password", sa.String(255)),
    # What the guest has encrypted for the owner of its key.
    sa.Column("sealed_password", sa.String(1024)),
    sa.Column("config_drive", sa.Boolean, nullable=False),
    sa.Column("metadata", Json(), nullable=False),
    sa.Column("tags", Json(), nullable=False),
    sa.Column("access_ipv4", sa.String(64), nullable=False),
    sa.Column("access_ipv6", sa.String(64), nullable=False),
    sa.Column("disk_config", sa.String(16), nullable=False),
    sa.Column("locked_by", sa.String(16)),
    sa.Column("locked_reason", sa.String(255)),
    sa.Column("security_groups", Json(), nullable=False),
    sa.Column("launch_index", sa.Integer, nullable=False),
    sa.Column("reservation_id", sa.String(64), nullable=False, index=True),
    sa.Column("scheduler_hints", Json(), nullable=False),
    sa.Column("server_group_id", Id(), index=True),
    sa.Column("fault", Json()),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
    sa.Column("launched_at", Moment()),
    sa.Column("deleted_at", Moment(), index=True),
)


class Fault(msgspec.Struct, kw_only=True):
    """Why a server is in ERROR."""

    code: int
    message: str
    created: str
    details: str = ""


class FlavorFacts(msgspec.Struct, kw_only=True):
    """A flavor as it was when the server took it on."""

    id: str
    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    extra_specs: dict[str, str] = {}


class Server(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    user_id: str
    name: str
    description: str | None = None
    hostname: str
    vm_state: str
    task_state: str | None = None
    power_state: int = 0
    image_id: str | None = None
    image_properties: dict[str, Any] = {}
    flavor_id: str
    flavor: FlavorFacts
    old_flavor: FlavorFacts | None = None
    vcpus: int
    memory_mib: int
    host: str | None = None
    availability_zone: str | None = None
    pinned_availability_zone: str | None = None
    wanted_host: str | None = None
    key_name: str | None = None
    key_type: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    admin_password: str | None = None
    sealed_password: str | None = None
    config_drive: bool = False
    metadata: dict[str, str] = {}
    tags: list[str] = []
    access_ipv4: str = ""
    access_ipv6: str = ""
    disk_config: str = "MANUAL"
    locked_by: str | None = None
    locked_reason: str | None = None
    security_groups: list[str] = []
    launch_index: int = 0
    reservation_id: str
    scheduler_hints: dict[str, Any] = {}
    server_group_id: str | None = None
    fault: Fault | None = None
    created_at: datetime
    updated_at: datetime
    launched_at: datetime | None = None
    deleted_at: datetime | None = None


class Usage(msgspec.Struct, frozen=True):
    """What a project's servers add up to."""

    instances: int = 0
    cores: int = 0
    ram: int = 0


_SPARE = (server_table.c.deleted_at.is_(None),)


class ServerStore(Store[Server]):
    """A deleted server's row stays for a while; only those who ask for it see it."""

    def __init__(self) -> None:
        super().__init__(server_table, Server)

    def _build(self, row: Any) -> Server:
        values = dict(row)
        values["flavor"] = msgspec.convert(values["flavor"], FlavorFacts)
        values["old_flavor"] = msgspec.convert(values["old_flavor"], FlavorFacts | None)
        values["fault"] = msgspec.convert(values["fault"], Fault | None)
        return Server(**values)

    async def alive(self, tx: Transaction, server_id: str) -> Server | None:
        """The server unless it is deleted."""
        return await self.get(tx, server_id, *_SPARE)

    async def on_host(self, tx: Transaction, host: str) -> list[Server]:
        """The servers that live on a host."""
        return await self.find(tx, server_table.c.host == host, *_SPARE)

    async def usage(self, tx: Transaction, project_id: str) -> Usage:
        """Counted from the rows every time, so that it cannot drift."""
        c = server_table.c
        sums = sa.select(sa.func.count().label("instances"), sa.func.sum(c.vcpus).label("cores"), sa.func.sum(c.memory_mib).label("ram"))
        row = await tx.row(sums.where(c.project_id == project_id, *_SPARE))
        return Usage(**{name: int(value or 0) for name, value in (row or {}).items()})

    async def in_group(self, tx: Transaction, group_ids: Sequence[str]) -> list[Server]:
        """The members of server groups."""
        return await self.find(tx, server_table.c.server_group_id.in_(group_ids), *_SPARE, order=server_table.c.created_at)

    async def counts_by_host(self, tx: Transaction) -> dict[str, tuple[int, int, int]]:
        """Host name to (servers, vcpus, MiB)."""
        c = server_table.c
        sums = sa.select(
            c.host, sa.func.count().label("count"), sa.func.sum(c.vcpus).label("cores"), sa.func.sum(c.memory_mib).label("ram")
        )
        rows = await tx.rows(sums.where(c.host.is_not(None), *_SPARE).group_by(c.host))
        return {row["host"]: (int(row["count"]), int(row["cores"]), int(row["ram"])) for row in rows}
