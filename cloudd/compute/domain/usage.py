"""What servers used in a period of time; deleted ones count for as long as their rows are kept."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.compute.store.server import Server, ServerStore, server_table
from cloudd.kit.clock import now
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud

_HOUR_SECONDS = 3600


class Period(msgspec.Struct, frozen=True):
    start: datetime
    end: datetime

    def hours(self, server: Server) -> float:
        """For how long the server was there within the period, running or not. Nothing is used in the future, which clients ask for too."""
        if server.launched_at is None:
            return 0.0
        until = min(self.end, server.deleted_at or now())
        return max(0.0, (until - max(self.start, server.launched_at)).total_seconds() / _HOUR_SECONDS)


def uptime_seconds(server: Server) -> int:
    """Whole seconds from the server's first start to its end, or to now."""
    return int(((server.deleted_at or now()) - server.launched_at).total_seconds()) if server.launched_at else 0


class Usages:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.servers = ServerStore()

    async def servers_of(self, period: Period, project_id: str | None = None, page: Page | None = None) -> list[Server]:
        """The servers that were there in the period, of one project or of all; a project's stand together.

        MarkerNotFound for a marker that is none of them.
        """
        c = server_table.c
        where = [c.launched_at < period.end, sa.or_(c.deleted_at.is_(None), c.deleted_at > period.start)]
        if project_id is not None:
            where.append(c.project_id == project_id)
        async with self.db.read() as tx:
            if page is None:
                return await self.servers.find(tx, *where, order=c.project_id)
            return await self.servers.page(tx, page, *where)
