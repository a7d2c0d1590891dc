"""Keypairs: the public keys a user puts into servers."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

keypair_table = sa.Table(
    "compute_keypair",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    # The integer that the API shows as the id.
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.String(255), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)


class Keypair(msgspec.Struct, kw_only=True):
    id: str
    number: int
    user_id: str
    name: str
    type: str
    public_key: str
    fingerprint: str
    created_at: datetime


class KeypairStore(Store[Keypair]):
    def __init__(self) -> None:
        super().__init__(keypair_table, Keypair)
