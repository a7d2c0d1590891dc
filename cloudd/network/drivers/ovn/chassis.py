"""The hosts as the southbound database shows them, and which of them still answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cloudd.network.drivers.base import Chassis

#: How often all hosts are asked for a sign of life (by raising NB_Global's nb_cfg, which each chassis repeats).
HEARTBEAT_SECONDS = 30
#: How old the answer of a living host may be while a newer question is open: the interval, and time to answer.
SILENCE_SECONDS = 45


class Hosts:
    """`changed` is called, in the connection's thread, when hosts come or go or become or cease to be gateways."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._known: dict[str, Chassis] = {}

    def chassis_changed(self, event: str, row: Any) -> None:
        """A row of Chassis came, went or changed; much of what changes there concerns nobody."""
        host = None if event == "delete" else _chassis(row, alive=True, heartbeat=None)
        if host == self._known.get(row.name):
            return
        if host is None:
            del self._known[row.name]
        else:
            self._known[row.name] = host
        self._changed()

    def all(self, tables: Any) -> list[Chassis]:
        """Every host; alive is who has answered the last question, or the one before not long ago."""
        question = max((row.nb_cfg for row in tables["SB_Global"].rows.values()), default=0)
        private = {row.name: row for row in tables["Chassis_Private"].rows.values()}
        found = []
        for row in tables["Chassis"].rows.values():
            answer = private.get(row.name)
            heartbeat = answer.nb_cfg_timestamp / 1000 if answer is not None and answer.nb_cfg_timestamp else None
            recent = heartbeat is not None and time.time() - heartbeat < SILENCE_SECONDS
            found.append(_chassis(row, alive=recent or (answer is not None and answer.nb_cfg >= question), heartbeat=heartbeat))
        return found


def _chassis(row: Any, *, alive: bool, heartbeat: float | None) -> Chassis:
    # Where ovn-controller puts its settings differs between releases.
    settings = dict(row.external_ids) | dict(row.other_config)
    options = settings.get("ovn-cms-options", "").split(",")
    mappings = [item.partition(":")[0] for item in settings.get("ovn-bridge-mappings", "").split(",") if item]
    return Chassis(
        name=row.name,
        hostname=row.hostname,
        alive=alive,
        heartbeat=heartbeat,
        gateway="enable-chassis-as-gw" in options,
        physical_networks=tuple(mappings),
    )
