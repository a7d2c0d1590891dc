"""Tags on any resource of the service."""

from collections.abc import Collection

import sqlalchemy as sa

from cloudd.kit.db import Id, Transaction, metadata

tag_table = sa.Table(
    "network_tag",
    metadata,
    sa.Column("resource_id", Id(), primary_key=True),
    sa.Column("tag", sa.String(255), primary_key=True),
)


class TagStore:
    async def of(self, tx: Transaction, resource_ids: Collection[str]) -> dict[str, list[str]]:
        """Resource id to its tags, sorted."""
        found: dict[str, list[str]] = {resource_id: [] for resource_id in resource_ids}
        statement = sa.select(tag_table).where(tag_table.c.resource_id.in_(resource_ids)).order_by(tag_table.c.tag)
        for row in await tx.rows(statement):
            found[row["resource_id"]].append(row["tag"])
        return found

    async def replace(self, tx: Transaction, resource_id: str, tags: Collection[str]) -> None:
        await tx.execute(sa.delete(tag_table).where(tag_table.c.resource_id == resource_id))
        rows = [{"resource_id": resource_id, "tag": tag} for tag in dict.fromkeys(tags)]
        if rows:
            await tx.execute(sa.insert(tag_table), rows)
