"""Users and their password hashes."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

user_table = sa.Table(
    "identity_user",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("domain_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("email", sa.String(255)),
    sa.Column("description", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("default_project_id", Id()),
    sa.Column("password_hash", sa.String(255)),
    sa.Column("tokens_valid_after", Moment()),
    sa.UniqueConstraint("domain_id", "name"),
)


class User(msgspec.Struct, kw_only=True):
    id: str
    domain_id: str
    name: str
    email: str | None = None
    description: str | None = None
    enabled: bool = True
    default_project_id: str | None = None
    #: argon2's encoded form; None for a user that cannot log in by password
    password_hash: str | None = None
    #: tokens issued before are void (the password changed)
    tokens_valid_after: datetime | None = None


class UserStore(Store[User]):
    def __init__(self) -> None:
        super().__init__(user_table, User)
