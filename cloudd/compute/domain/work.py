"""What each saga on a server is told beside the rows."""

from typing import Any

import msgspec

from cloudd.compute.store.server import FlavorFacts


class ServerParams(msgspec.Struct, kw_only=True):
    """Enough for most: everything else stands in the rows. `vm_state` is the state before, to go back to."""

    server_id: str
    project_id: str
    user_id: str
    vm_state: str = ""


class CreateServerParams(ServerParams, kw_only=True):
    local_disk_gib: int


class PowerServerParams(ServerParams, kw_only=True):
    """`act` is start, stop, reboot, hard_reboot, pause, unpause, suspend or resume."""

    act: str


class MoveServerParams(ServerParams, kw_only=True):
    """A move that the row `migration_id` describes; `wanted_host` None lets the scheduler choose."""

    migration_id: str
    source_host: str
    wanted_host: str | None = None
    local_disk_gib: int


class EvacuateServerParams(MoveServerParams, kw_only=True):
    """`stays_off`: it is not started where it is rebuilt."""

    stays_off: bool = False


class ResizeServerParams(ServerParams, kw_only=True):
    """`flavor` is the one to take on, `old_flavor` the one before; a migration has the same twice, and `must_move`.

    Without `migration_id` (begun by an older version) the server stays on its host.
    """

    flavor: FlavorFacts
    old_flavor: FlavorFacts
    old_local_disk_gib: int
    local_disk_gib: int
    migration_id: str = ""
    source_host: str = ""
    wanted_host: str | None = None
    must_move: bool = False


class RebuildServerParams(ServerParams, kw_only=True):
    image_id: str
    stays_off: bool = False


class CreateImageParams(ServerParams, kw_only=True):
    image_id: str
    name: str
    properties: dict[str, Any]
    min_disk_gib: int
    min_memory_mib: int


class VolumeParams(ServerParams, kw_only=True):
    volume_id: str
    attachment_id: str


class InterfaceParams(ServerParams, kw_only=True):
    port_id: str
