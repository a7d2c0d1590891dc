"""Credentials: secrets of a user that other services check, such as the pairs of keys for EC2 and S3.

They must be read again to check a signature with them, so they are kept as they are, in a database that only root may read.
"""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

credential_table = sa.Table(
    "identity_credential",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("blob", sa.Text, nullable=False),
    sa.Column("user_id", Id(), nullable=False, index=True),
    sa.Column("project_id", Id(), index=True),
)


class Credential(msgspec.Struct, kw_only=True):
    id: str
    type: str
    blob: str
    user_id: str
    project_id: str | None = None


class CredentialStore(Store[Credential]):
    def __init__(self) -> None:
        super().__init__(credential_table, Credential)
