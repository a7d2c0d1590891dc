"""What all resources share: lists with filters and pages, look-up by the caller's rights, tags, retried transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import Condition
from cloudd.kit.paging import Page
from cloudd.kit.retry import retried
from cloudd.kit.service import Cloud
from cloudd.kit.store import Store
from cloudd.network.domain.change import Changes
from cloudd.network.domain.quota import Quotas
from cloudd.network.errors import AdminOnly, InvalidInput, TagNotFound
from cloudd.network.settings import NetworkSettings
from cloudd.network.store.filters import Where, column_condition, tag_conditions
from cloudd.network.store.stores import Stores

T = TypeVar("T")
Record = TypeVar("Record", bound=msgspec.Struct)
Detail = TypeVar("Detail")


class Query(msgspec.Struct):
    """A list as it was asked for: `filters` by API name, several values of one mean any of them."""

    page: Page
    filters: dict[str, list[str]] = {}
    tag_filters: dict[str, list[str]] = {}
    reverse: bool = False


class Ground:
    """What every domain class stands on."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.stores = Stores()
        self.settings = cloud.settings.section(NetworkSettings)
        self.quotas = Quotas(cloud, self.stores)
        self.changes = Changes(cloud.bus, self.stores.changes)

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction; again when another one took the same address, MAC or name meanwhile."""

        async def attempt() -> T:
            async with self.cloud.db.write() as tx:
                return await work(tx)

        return await retried(attempt)


class Records(Generic[Record, Detail]):
    """One kind of resource. `names` maps the API's attribute names to columns where they differ."""

    not_found: ClassVar[type[Condition]]
    key: ClassVar[str]
    names: ClassVar[Mapping[str, str]] = {}
    #: attributes that only an admin may filter by, because only an admin sees them
    hidden: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, ground: Ground, store: Store[Record]) -> None:
        self.ground = ground
        self.stores = ground.stores
        self.settings = ground.settings
        self.store = store
        self.table = store.table
        self.columns = (
            {name: name for name in set(store.table.c.keys())}
            | {"tenant_id": "project_id", "revision_number": "revision"}
            | dict(self.names)
        )

    def visible(self, ctx: Context) -> list[Where]:
        """What of all rows exists for the caller."""
        return [] if ctx.is_admin else [self.table.c.project_id == ctx.project_id]

    def special(self, name: str, values: Sequence[str]) -> Where | None:
        """The condition of a filter that is no column of the table."""
        return None

    async def describe(self, tx: Transaction, records: list[Record]) -> list[Detail]:
        """The records with what belongs to them in other tables."""
        raise NotImplementedError

    async def page(self, ctx: Context, query: Query) -> list[Detail]:
        where = [*self.visible(ctx), *tag_conditions(self.table, query.tag_filters)]
        where += [self._condition(ctx, name, values) for name, values in query.filters.items()]
        async with self.ground.cloud.db.read() as tx:
            found = await self.store.page(tx, query.page, *where)
            return await self.describe(tx, found[::-1] if query.reverse else found)

    def _condition(self, ctx: Context, name: str, values: Sequence[str]) -> Where:
        special = self.special(name, values)
        if special is not None:
            return special
        if name not in self.columns or (name in self.hidden and not ctx.is_admin):
            raise InvalidInput(reason=f"['{name}'] is invalid attribute for filtering", type_name="HTTPBadRequest")
        return column_condition(self.table.c[self.columns[name]], name, values)

    async def get(self, ctx: Context, record_id: str) -> Detail:
        async with self.ground.cloud.db.read() as tx:
            return await self.detail(tx, await self.load(tx, ctx, record_id))

    async def detail(self, tx: Transaction, record: Record) -> Detail:
        return (await self.describe(tx, [record]))[0]

    async def load(self, tx: Transaction, ctx: Context, record_id: str, *, lock: bool = False) -> Record:
        """The row, if it exists for the caller. Raises the resource's own not-found."""
        record = await self.store.get(tx, record_id, *self.visible(ctx), lock=lock)
        if record is None:
            raise self.not_found(**{self.key: record_id})
        return record

    async def reload(self, tx: Transaction, record: Any) -> Record:
        """The record as it stands now, with the revision that a mark has raised."""
        return await self.store.get(tx, record.id) or record

    async def own(self, tx: Transaction, ctx: Context, record_id: str) -> Any:
        """The row, to be changed: one that is only seen (a shared network) may not be."""
        record: Any = await self.load(tx, ctx, record_id, lock=True)
        if not ctx.may_see(record.project_id):
            raise AdminOnly(rule=f"rule:update_{type(record).__name__.lower()}")
        return record

    async def tags(self, ctx: Context, record_id: str) -> list[str]:
        async with self.ground.cloud.db.read() as tx:
            await self.load(tx, ctx, record_id)
            return (await self.stores.tags.of(tx, [record_id]))[record_id]

    async def set_tags(self, ctx: Context, record_id: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        """Replace the tags by what `change` makes of them."""

        async def work(tx: Transaction) -> list[str]:
            await self.own(tx, ctx, record_id)
            tags = change((await self.stores.tags.of(tx, [record_id]))[record_id])
            await self.stores.tags.replace(tx, record_id, tags)
            await self.touch(tx, record_id)
            return sorted(set(tags))

        return await self.ground.write(work)

    async def touch(self, tx: Transaction, record_id: str, **values: Any) -> None:
        """Write the values with a new time and revision."""
        stamp: dict[str, Any] = {"updated_at": now()}
        if "revision" in self.table.c:
            stamp["revision"] = self.table.c.revision + 1
        await self.store.update(tx, record_id, **stamp, **values)


def without(tag: str) -> Callable[[list[str]], list[str]]:
    """A change of tags that takes one away. Raises TagNotFound."""

    def change(tags: list[str]) -> list[str]:
        if tag not in tags:
            raise TagNotFound(tag=tag)
        return [item for item in tags if item != tag]

    return change


def owner_of(ctx: Context, project_id: str | None, tenant_id: str | None) -> str:
    """Whose a new resource is: the caller's project, or the one an admin names."""
    wanted = project_id or tenant_id
    if wanted is None or wanted == ctx.project_id:
        return ctx.project
    if not ctx.is_admin:
        raise AdminOnly(rule="rule:create for another project")
    return wanted


def admin_only(ctx: Context, **attributes: Any) -> None:
    """Raises AdminOnly where a caller who is none sets one of the attributes (UNSET means it does not)."""
    for name, value in attributes.items():
        if value is not msgspec.UNSET and not ctx.is_admin:
            raise AdminOnly(rule=f"rule:set {name}")


def changed(spec: msgspec.Struct, *names: str) -> dict[str, Any]:
    """The named fields of the spec that were given."""
    return {name: getattr(spec, name) for name in names if getattr(spec, name) is not msgspec.UNSET}
