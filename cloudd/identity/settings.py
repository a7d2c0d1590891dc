"""The identity section of the settings."""

import msgspec

from cloudd.kit import settings


class IdentitySettings(msgspec.Struct, forbid_unknown_fields=True):
    #: Fernet keys; the first signs, all are accepted, so that keys can be rotated
    token_keys: list[str]
    token_lifetime_seconds: int = 3600
    #: how long a verified token is believed without a look into the database
    token_cache_seconds: float = 5
    argon2_memory_kib: int = 19456
    argon2_passes: int = 2


settings.declare("identity", IdentitySettings)
