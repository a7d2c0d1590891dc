"""Exports by iSCSI through tgtd: for each attachment a target of its own, with credentials of its own."""

import asyncio
import os
import secrets
from pathlib import Path

import msgspec

from cloudd.kit.durable import sync_directory
from cloudd.volume.drivers.base import Connection
from cloudd.volume.errors import TargetFailed
from cloudd.volume.targets.base import Target
from cloudd.volume.targets.tgtd import Tgtd

_NAME = "iqn.2026-01.cloudd"
# libiscsi takes 12 to 16 characters.
_PASSWORD_BYTES = 12


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an export, for tgtd itself keeps nothing."""

    attachment_id: str
    volume_id: str
    path: str
    serial: str
    password: str
    read_only: bool = False

    @property
    def name(self) -> str:
        return f"{_NAME}:{self.attachment_id}"


class TgtTarget(Target):
    """Remembers its exports as files `<directory>/<attachment id>.json`, readable by root alone. `address` is where others reach it."""

    def __init__(self, directory: str | Path, address: str, port: int, tgtd: Tgtd) -> None:
        self.directory = Path(directory)
        self.portal = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.tgtd = tgtd
        # Target numbers are taken by looking for a free one.
        self._turn = asyncio.Lock()

    async def recover(self) -> None:
        async with self._turn:
            wanted = await asyncio.to_thread(self._remembered)
            present = await self.tgtd.targets()
            for name, number in present.items():
                if name.startswith(f"{_NAME}:") and name not in wanted:
                    await self.tgtd.remove(number, name.rpartition(":")[2])
            for name, export in wanted.items():
                if name not in present:
                    await self._make(export, present)

    def _remembered(self) -> dict[str, Export]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = [msgspec.json.decode(path.read_bytes(), type=Export) for path in self.directory.glob("*.json")]
        return {export.name: export for export in found}

    async def export(self, volume_id: str, attachment_id: str, local: Connection) -> Connection:
        async with self._turn:
            export = await asyncio.to_thread(self._remember, volume_id, attachment_id, local)
            present = await self.tgtd.targets()
            # Also one that is there: an earlier run may have ended before anybody was admitted.
            await self._make(export, present)
        return Connection(
            driver="iscsi", path="", format="raw", serial=local.serial, read_only=local.read_only, portals=[self.portal],
            iqn=export.name, lun=1, username=attachment_id, password=export.password,
        )  # fmt: skip

    def _remember(self, volume_id: str, attachment_id: str, local: Connection) -> Export:
        """Written before anything is made, so that nothing is exported that a restart would not know."""
        path = self._file(attachment_id)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Export)
        export = Export(
            attachment_id=attachment_id, volume_id=volume_id, path=local.path, serial=local.serial,
            password=secrets.token_urlsafe(_PASSWORD_BYTES), read_only=local.read_only,
        )  # fmt: skip
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(export))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_directory(self.directory)
        return export

    async def _make(self, export: Export, present: dict[str, int]) -> None:
        number = present.get(export.name) or next(n for n in range(1, 1 << 31) if n not in present.values())
        if not Path(export.path).exists():
            raise TargetFailed(reason=f"{export.path} of volume {export.volume_id} is not there")
        await self.tgtd.make(number, export.name, export.path, export.serial, read_only=export.read_only)
        await self.tgtd.admit(number, export.attachment_id, export.password)
        present[export.name] = number

    async def withdraw(self, attachment_id: str) -> None:
        async with self._turn:
            number = (await self.tgtd.targets()).get(f"{_NAME}:{attachment_id}")
            await self.tgtd.remove(number, attachment_id)
            # Last: what was not removed yet is found again by this file.
            self._file(attachment_id).unlink(missing_ok=True)

    def _file(self, attachment_id: str) -> Path:
        return self.directory / f"{Path(attachment_id).name}.json"
