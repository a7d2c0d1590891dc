"""Application credentials: a user's secret for a program, bound to one project and a set of roles."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

application_credential_table = sa.Table(
    "identity_application_credential",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("user_id", Id(), nullable=False, index=True),
    sa.Column("project_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("secret_hash", sa.String(255), nullable=False),
    sa.Column("role_ids", Json(), nullable=False),
    sa.Column("expires_at", Moment()),
    sa.Column("unrestricted", sa.Boolean, nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)


class ApplicationCredential(msgspec.Struct, kw_only=True):
    id: str
    user_id: str
    project_id: str
    name: str
    description: str | None = None
    secret_hash: str
    role_ids: Any
    expires_at: datetime | None = None
    unrestricted: bool = False


class ApplicationCredentialStore(Store[ApplicationCredential]):
    def __init__(self) -> None:
        super().__init__(application_credential_table, ApplicationCredential)
