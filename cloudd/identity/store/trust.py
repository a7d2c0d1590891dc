"""Trusts: a user's consent that another acts on one of its projects with some of its roles."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

trust_table = sa.Table(
    "identity_trust",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("trustor_user_id", Id(), nullable=False, index=True),
    sa.Column("trustee_user_id", Id(), nullable=False, index=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("impersonation", sa.Boolean, nullable=False),
    sa.Column("role_ids", Json(), nullable=False),
    sa.Column("expires_at", Moment()),
    sa.Column("remaining_uses", sa.Integer),
)


class Trust(msgspec.Struct, kw_only=True):
    """``remaining_uses``: how many more tokens it gives; None is any number."""

    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str
    impersonation: bool
    role_ids: Any
    expires_at: datetime | None = None
    remaining_uses: int | None = None


class TrustStore(Store[Trust]):
    def __init__(self) -> None:
        super().__init__(trust_table, Trust)
