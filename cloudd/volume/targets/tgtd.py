"""Speaks with the iSCSI daemon tgtd over its management socket, so that no password is ever in a command line."""

import asyncio
import enum
import re
import struct
from pathlib import Path

from cloudd.volume.errors import TargetFailed

SOCKET = Path("/var/run/tgtd/socket.0")
_ANSWER_SECONDS = 20.0
# mode, op, driver, whole length, target, session, unit, connection, host, device type, account direction, pack, force
_REQUEST = struct.Struct("=II64sIiQQIIIIII")
_ANSWER = struct.Struct("=II")
_ANY = 0xFFFFFFFFFFFFFFFF


class Mode(enum.IntEnum):
    TARGET = 1
    UNIT = 2
    ACCOUNT = 7


class Op(enum.IntEnum):
    NEW = 0
    DELETE = 1
    SHOW = 2
    BIND = 3


#: tgtadm.h of tgt 1.0.x
NO_TARGET, TARGET_EXISTS, UNIT_EXISTS, RULE_EXISTS, ACCOUNT_EXISTS, NO_ACCOUNT = 4, 9, 10, 12, 14, 15


class Tgtd:
    """One tgtd. Raises TargetFailed when it does not answer or refuses."""

    def __init__(self, socket: Path = SOCKET) -> None:
        self.socket = socket

    async def targets(self) -> dict[str, int]:
        """The number of each target by its name."""
        text = await self._ask(Mode.TARGET, Op.SHOW)
        return {name: int(number) for number, name in re.findall(r"^Target (\d+): (\S+)", text, re.MULTILINE)}

    async def make(self, number: int, name: str, path: str, serial: str, *, read_only: bool) -> None:
        """A target with one logical unit (1) that is the file or device `path`; nobody may log in yet."""
        await self._ask(Mode.TARGET, Op.NEW, number, text=f"targetname={name}", fine=(TARGET_EXISTS,))
        flags = ",readonly=1" if read_only else ""
        await self._ask(Mode.UNIT, Op.NEW, number, unit=1, text=f"path={path}{flags}", fine=(UNIT_EXISTS,))

    async def admit(self, number: int, user: str, password: str) -> None:
        """Let whoever has the password log in, from any address."""
        await self._ask(Mode.ACCOUNT, Op.NEW, text=f"user={user},password={password}", fine=(ACCOUNT_EXISTS,))
        await self._ask(Mode.ACCOUNT, Op.BIND, number, text=f"user={user}", fine=(ACCOUNT_EXISTS,))
        await self._ask(Mode.TARGET, Op.BIND, number, text="initiator-address=ALL", fine=(RULE_EXISTS,))

    async def remove(self, number: int | None, user: str) -> None:
        """The target, if there is one, with its sessions, and its account."""
        if number is not None:
            await self._ask(Mode.TARGET, Op.DELETE, number, force=True, fine=(NO_TARGET,))
        await self._ask(Mode.ACCOUNT, Op.DELETE, text=f"user={user}", fine=(NO_ACCOUNT,))

    async def _ask(
        self, mode: Mode, op: Op, number: int = -1, *, unit: int = _ANY, text: str = "", force: bool = False, fine: tuple[int, ...] = ()
    ) -> str:
        data = text.encode() + b"\0" if text else b""
        head = _REQUEST.pack(mode, op, b"iscsi", _REQUEST.size + len(data), number, 0, unit, 0, 0, 0, 0, 0, force)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(str(self.socket))
                try:
                    writer.write(head + data)
                    error, length = _ANSWER.unpack(await reader.readexactly(_ANSWER.size))
                    answer = await reader.readexactly(max(length - _ANSWER.size, 0))
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as problem:
            reason = str(problem) or type(problem).__name__
            raise TargetFailed(reason=f"tgtd does not answer at {self.socket} ({reason}); is tgt.service running?") from problem
        if error and error not in fine:
            raise TargetFailed(reason=f"tgtd refuses {op.name.lower()} of {mode.name.lower()} {number} with error {error}")
        return answer.decode(errors="replace").rstrip("\0")
