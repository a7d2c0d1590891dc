"""Locks by name that last as long as their transaction: for counting what is there before adding to it."""

from __future__ import annotations

import sqlalchemy as sa

from cloudd.kit.db import Transaction, metadata

lock_table = sa.Table(
    "kit_lock",
    metadata,
    sa.Column("id", sa.String(190), primary_key=True),
    sa.Column("turns", sa.BigInteger, nullable=False),
)


async def hold(tx: Transaction, name: str) -> None:
    """Hold the lock of that name ("compute.quota/<project>") until the transaction ends; others wait for it, on any host.

    What is read afterwards is as the last holder left it. The row is really changed: SELECT … FOR UPDATE holds a row on one node of
    a Galera cluster only, while of two changes of one row, made on two nodes, the second fails its certification and is retried.
    """
    turn = sa.update(lock_table).where(lock_table.c.id == name).values(turns=lock_table.c.turns + 1)
    if not (await tx.execute(turn)).rowcount:
        # Nobody has held it before. Without IGNORE a race for that would look like a duplicate of the caller's own rows.
        await tx.execute(sa.insert(lock_table).prefix_with("IGNORE", dialect="mysql").values(id=name, turns=0))
        await tx.execute(turn)
