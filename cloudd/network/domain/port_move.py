"""Ports that move with their running server: on two hosts for a while, then on the new one alone, or back."""

from __future__ import annotations

from collections.abc import Collection

from cloudd.kit.db import Transaction
from cloudd.network.domain.engine import Engine
from cloudd.network.domain.port import Ports
from cloudd.network.domain.records import Ground
from cloudd.network.errors import PortNotFound


class PortMoves:
    """Every call may be repeated, and tells the engine before it answers: hypervisors do not wait."""

    def __init__(self, ground: Ground, ports: Ports, engine: Engine) -> None:
        self._ground = ground
        self._ports = ports
        self._engine = engine

    async def begin(self, port_ids: Collection[str], destination: str) -> None:
        """The ports may be plugged on the destination too, where they stay silent until the server speaks there."""
        await self._move(port_ids, destination=destination)

    async def finish(self, port_ids: Collection[str], host: str) -> None:
        """The server runs there: the ports have left the other host."""
        await self._move(port_ids, host=host)

    async def abort(self, port_ids: Collection[str], source: str) -> None:
        """The server stays where it was."""
        await self._move(port_ids, host=source)

    async def _move(self, port_ids: Collection[str], *, host: str | None = None, destination: str = "") -> None:
        async def work(tx: Transaction) -> None:
            for port_id in sorted(port_ids):
                port = await self._ground.stores.ports.get(tx, port_id, lock=True)
                if port is None:
                    raise PortNotFound(port_id=port_id)
                wanted = (port.binding_host if host is None else host, destination)
                if wanted[1] == wanted[0]:
                    wanted = (wanted[0], "")
                if (port.binding_host, port.binding_destination) == wanted:
                    continue
                await self._ports.touch(tx, port_id, binding_host=wanted[0], binding_destination=wanted[1])
                await self._ground.changes.mark(tx, "port", port_id)
                await self._ports.mark_move(tx, port, *(name for name in wanted if name))

        await self._ground.write(work)
        await self._engine.settle("port", *port_ids)
