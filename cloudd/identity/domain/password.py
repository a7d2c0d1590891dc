"""Password hashing by argon2id, off the event loop."""

from __future__ import annotations

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cloudd.identity.settings import IdentitySettings


class Passwords:
    """Hashes and checks secrets. A check costs some 20 ms of one core with the default settings."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._hasher = PasswordHasher(time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory_kib, parallelism=1)
        # A thread per core is as fast as more, and each keeps its memory: a flood of logins fills neither memory nor the threads of others.
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="password")
        # An unknown user costs the same time as a wrong password.
        self._nobody = self._hasher.hash(secrets.token_hex())

    async def hash(self, secret: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, secret)

    async def matches(self, secret: str, encoded: str | None) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, secret, encoded)

    def _verify(self, secret: str, encoded: str | None) -> bool:
        try:
            return self._hasher.verify(encoded or self._nobody, secret) and encoded is not None
        except (VerificationError, InvalidHashError):
            return False
