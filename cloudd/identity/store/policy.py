"""Policies: documents that clients deposit under a type; nothing in the cloud reads them."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

policy_table = sa.Table(
    "identity_policy",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("blob", sa.Text, nullable=False),
)


class Policy(msgspec.Struct, kw_only=True):
    id: str
    type: str
    blob: str


class PolicyStore(Store[Policy]):
    def __init__(self) -> None:
        super().__init__(policy_table, Policy)
