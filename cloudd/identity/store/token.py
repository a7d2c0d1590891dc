"""Revoked tokens, by audit id, until they would have expired anyway. Tokens themselves are not stored."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

revocation_table = sa.Table(
    "identity_revocation",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("expires_at", Moment(), nullable=False),
)


class Revocation(msgspec.Struct, kw_only=True):
    #: the token's audit id
    id: str
    expires_at: datetime


class RevocationStore(Store[Revocation]):
    def __init__(self) -> None:
        super().__init__(revocation_table, Revocation)
