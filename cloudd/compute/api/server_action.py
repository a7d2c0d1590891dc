"""POST /v2.1/servers/{id}/action: one route, the body's one key says what is to be done."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.server_body import HostName, address, uuid_text
from cloudd.compute.api.server_view import ServerViews
from cloudd.compute.api.shapes import Count, Key, Links, Metadata, Name, Truth, admin, field_since, since, truth, until
from cloudd.compute.domain.interface import Interfaces
from cloudd.compute.domain.security_group import ServerSecurityGroups
from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_action import ServerActions
from cloudd.compute.domain.server_image_action import ServerImageActions
from cloudd.compute.domain.server_migration import ServerMigrations
from cloudd.compute.domain.server_resize import ServerResizes
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route


class Desk(msgspec.Struct, frozen=True):
    """What the acts are done with."""

    servers: Servers
    actions: ServerActions
    resizes: ServerResizes
    image_actions: ServerImageActions
    security_groups: ServerSecurityGroups
    interfaces: Interfaces
    migrations: ServerMigrations
    views: ServerViews
    links: Links


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    """{}"""


Nothing = Empty | None


class Reboot(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["SOFT", "HARD", "soft", "hard", "Soft", "Hard"]


class ConsoleOutput(msgspec.Struct, forbid_unknown_fields=True):
    length: Count | None = None


class Lock(msgspec.Struct, forbid_unknown_fields=True):
    locked_reason: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | UnsetType = UNSET


class ResetState(msgspec.Struct, forbid_unknown_fields=True):
    state: Literal["active", "error"]


class CreateImage(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    metadata: Metadata = {}


class Resize(msgspec.Struct, forbid_unknown_fields=True):
    flavor: str | int = msgspec.field(name="flavorRef")
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = msgspec.field(name="OS-DCF:diskConfig", default=UNSET)


class Rebuild(msgspec.Struct, forbid_unknown_fields=True):
    image: str = msgspec.field(name="imageRef")
    name: Name | UnsetType = UNSET
    admin_password: str | None = msgspec.field(name="adminPass", default=None)
    metadata: Metadata | UnsetType = UNSET
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = msgspec.field(name="OS-DCF:diskConfig", default=UNSET)
    access_ipv4: str | UnsetType = msgspec.field(name="accessIPv4", default=UNSET)
    access_ipv6: str | UnsetType = msgspec.field(name="accessIPv6", default=UNSET)
    preserve_ephemeral: bool = False
    description: Annotated[str, msgspec.Meta(max_length=255)] | UnsetType | None = UNSET
    key_name: Key | UnsetType | None = UNSET
    user_data: str | UnsetType | None = UNSET
    hostname: HostName | UnsetType = UNSET
    trusted_image_certificates: UnsetType | None = UNSET
    personality: list[Any] | UnsetType = UNSET


class GroupName(msgspec.Struct, forbid_unknown_fields=True):
    """The group's name or id."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class AddFixedIp(msgspec.Struct, forbid_unknown_fields=True):
    network_id: str = msgspec.field(name="networkId")


class RemoveFixedIp(msgspec.Struct, forbid_unknown_fields=True):
    address: str


class Migrate(msgspec.Struct, forbid_unknown_fields=True):
    """{} or, since 2.56, the host to go to."""

    host: str | UnsetType | None = UNSET


class LiveMigrate(msgspec.Struct, forbid_unknown_fields=True):
    host: str | None
    block_migration: Truth
    disk_over_commit: Truth | UnsetType = UNSET
    force: Truth | UnsetType = UNSET


class Evacuate(msgspec.Struct, forbid_unknown_fields=True):
    host: str | UnsetType = UNSET
    admin_password: str | UnsetType = msgspec.field(name="adminPass", default=UNSET)
    on_shared_storage: Truth | UnsetType = msgspec.field(name="onSharedStorage", default=UNSET)
    force: Truth | UnsetType = UNSET


class ActionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Exactly one of these. Those that take nothing are given null, and by some clients an empty object."""

    start: Nothing | UnsetType = msgspec.field(name="os-start", default=UNSET)
    stop: Nothing | UnsetType = msgspec.field(name="os-stop", default=UNSET)
    pause: Nothing | UnsetType = UNSET
    unpause: Nothing | UnsetType = UNSET
    suspend: Nothing | UnsetType = UNSET
    resume: Nothing | UnsetType = UNSET
    reboot: Reboot | UnsetType = UNSET
    console_output: ConsoleOutput | UnsetType | None = msgspec.field(name="os-getConsoleOutput", default=UNSET)
    lock: Lock | UnsetType | None = UNSET
    unlock: Nothing | UnsetType = UNSET
    reset_state: ResetState | UnsetType = msgspec.field(name="os-resetState", default=UNSET)
    force_delete: Nothing | UnsetType = msgspec.field(name="forceDelete", default=UNSET)
    create_image: CreateImage | UnsetType = msgspec.field(name="createImage", default=UNSET)
    rebuild: Rebuild | UnsetType = UNSET
    resize: Resize | UnsetType = UNSET
    confirm_resize: Nothing | UnsetType = msgspec.field(name="confirmResize", default=UNSET)
    revert_resize: Nothing | UnsetType = msgspec.field(name="revertResize", default=UNSET)
    migrate: Migrate | UnsetType | None = UNSET
    live_migrate: LiveMigrate | UnsetType = msgspec.field(name="os-migrateLive", default=UNSET)
    evacuate: Evacuate | UnsetType = UNSET
    add_security_group: GroupName | UnsetType = msgspec.field(name="addSecurityGroup", default=UNSET)
    remove_security_group: GroupName | UnsetType = msgspec.field(name="removeSecurityGroup", default=UNSET)
    add_fixed_ip: AddFixedIp | UnsetType = msgspec.field(name="addFixedIp", default=UNSET)
    remove_fixed_ip: RemoveFixedIp | UnsetType = msgspec.field(name="removeFixedIp", default=UNSET)


Act = Callable[[Context, Desk, str, Any], Awaitable[Response[Any]]]
_ACCEPTED = 202
_FIXED_IP_LAST = 43


def _done(status: int = _ACCEPTED) -> Response[Any]:
    return Response(None, status_code=status)


def _power(act: str) -> Act:
    async def run(ctx: Context, desk: Desk, server_id: str, body: Any) -> Response[Any]:
        await desk.actions.power(ctx, server_id, act)
        return _done()

    return run


async def _reboot(ctx: Context, desk: Desk, server_id: str, body: Reboot) -> Response[Any]:
    is_hard = body.type.upper() == "HARD"
    await desk.actions.power(ctx, server_id, "hard_reboot" if is_hard else "reboot")
    return _done()


async def _console_output(ctx: Context, desk: Desk, server_id: str, body: ConsoleOutput | None) -> Response[Any]:
    length = body.length if body else None
    count = None if length is None or int(length) < 0 else int(length)
    return Response({"output": await desk.actions.console_output(ctx, server_id, count)}, status_code=200)


async def _lock(ctx: Context, desk: Desk, server_id: str, body: Lock | None) -> Response[Any]:
    reason = body.locked_reason if body else UNSET
    if reason is not UNSET:
        since(ctx, 73)
    await desk.servers.lock(ctx, server_id, None if reason is UNSET else reason)
    return _done()


async def _unlock(ctx: Context, desk: Desk, server_id: str, _body: Any) -> Response[Any]:
    await desk.servers.unlock(ctx, server_id)
    return _done()


async def _reset_state(ctx: Context, desk: Desk, server_id: str, body: ResetState) -> Response[Any]:
    admin(ctx, "compute:servers:reset_state")
    await desk.servers.reset_state(ctx, server_id, active=body.state == "active")
    return _done()


async def _force_delete(ctx: Context, desk: Desk, server_id: str, _body: Any) -> Response[Any]:
    await desk.actions.delete(ctx, server_id)
    return _done()


async def _create_image(ctx: Context, desk: Desk, server_id: str, wanted: CreateImage) -> Response[Any]:
    image_id = await desk.image_actions.create_image(ctx, server_id, wanted.name.strip(), wanted.metadata)
    content = {"image_id": image_id} if ctx.version >= (2, 45) else None
    return Response(content, status_code=_ACCEPTED, headers={"Location": f"{desk.links.image}/v2/images/{image_id}"})


async def _rebuild(ctx: Context, desk: Desk, server_id: str, wanted: Rebuild) -> Response[Any]:
    field_since(ctx, 19, wanted, "description")
    field_since(ctx, 54, wanted, "key_name")
    field_since(ctx, 57, wanted, "user_data")
    field_since(ctx, 63, wanted, "trusted_image_certificates")
    field_since(ctx, 90, wanted, "hostname")
    image_id = uuid_text(wanted.image.rsplit("/", 1)[-1], "Invalid imageRef provided.")
    values: dict[str, Any] = {
        name: value
        for name in ("name", "metadata", "disk_config", "description", "user_data", "hostname")
        if (value := getattr(wanted, name)) is not UNSET
    }
    for name, version in (("access_ipv4", 4), ("access_ipv6", 6)):
        if (text := getattr(wanted, name)) is not UNSET:
            values[name] = address(text, version)
    key_name = None if wanted.key_name is UNSET else (wanted.key_name,)
    server, password = await desk.image_actions.rebuild(ctx, server_id, image_id, values, key_name=key_name, password=wanted.admin_password)
    more: dict[str, Any] = {"adminPass": password}
    if ctx.version >= (2, 54):
        more["key_name"] = server.key_name
    if ctx.version >= (2, 57):
        more["user_data"] = server.user_data
    return Response({"server": await desk.views.after_change(ctx, server, **more)}, status_code=_ACCEPTED)


async def _resize(ctx: Context, desk: Desk, server_id: str, body: Resize) -> Response[Any]:
    await desk.resizes.resize(ctx, server_id, str(body.flavor).rsplit("/", 1)[-1])
    return _done()


async def _confirm_resize(ctx: Context, desk: Desk, server_id: str, _body: Any) -> Response[Any]:
    await desk.resizes.confirm(ctx, server_id)
    return _done(204)


async def _revert_resize(ctx: Context, desk: Desk, server_id: str, _body: Any) -> Response[Any]:
    await desk.resizes.revert(ctx, server_id)
    return _done()


async def _migrate(ctx: Context, desk: Desk, server_id: str, body: Migrate | None) -> Response[Any]:
    admin(ctx, "compute:servers:migrate")
    host = body.host if body else UNSET
    if host is not UNSET:
        field_since(ctx, 56, body or Migrate(), "host")
    await desk.migrations.migrate(ctx, server_id, None if host is UNSET else host)
    return _done()


async def _live_migrate(ctx: Context, desk: Desk, server_id: str, body: LiveMigrate) -> Response[Any]:
    admin(ctx, "compute:servers:live_migrate")
    _check_force(ctx, body)
    is_auto = body.block_migration == "auto"
    if ctx.version < (2, 25) and (is_auto or body.disk_over_commit is UNSET):
        raise BadRequest(reason="Before microversion 2.25 block_migration is true or false, and disk_over_commit is required.")
    if ctx.version >= (2, 25) and body.disk_over_commit is not UNSET:
        raise BadRequest(reason="Additional properties are not allowed ('disk_over_commit' was unexpected)")
    copies_disks = None if is_auto else truth(body.block_migration, "block_migration")
    if body.disk_over_commit is not UNSET:
        truth(body.disk_over_commit, "disk_over_commit")
    await desk.migrations.live_migrate(ctx, server_id, body.host or None, copies_disks=copies_disks)
    return _done()


async def _evacuate(ctx: Context, desk: Desk, server_id: str, body: Evacuate) -> Response[Any]:
    admin(ctx, "compute:servers:evacuate")
    _check_force(ctx, body)
    names_storage = body.on_shared_storage is not UNSET
    if names_storage != (ctx.version < (2, 14)):
        raise BadRequest(reason="onSharedStorage is required before microversion 2.14, and not allowed since.")
    if body.on_shared_storage is not UNSET and truth(body.on_shared_storage, "onSharedStorage") and body.admin_password is not UNSET:
        raise BadRequest(reason="admin password can't be changed on existing disk")
    password = secrets.token_urlsafe(9) if body.admin_password is UNSET else body.admin_password
    host = None if body.host is UNSET else body.host
    await desk.migrations.evacuate(ctx, server_id, host, password, stays_off=ctx.version >= (2, 95))
    return Response({"adminPass": password} if ctx.version < (2, 14) else None, status_code=200)


def _check_force(ctx: Context, body: LiveMigrate | Evacuate) -> None:
    """`force` came with 2.29 and 2.30, and went with 2.68."""
    if body.force is UNSET:
        return
    first = 30 if isinstance(body, LiveMigrate) else 29
    field_since(ctx, first, body, "force")
    if ctx.version >= (2, 68):
        raise BadRequest(reason="Additional properties are not allowed ('force' was unexpected)")
    if truth(body.force, "force") and not body.host:
        raise BadRequest(reason="Can't force to a non-provided destination")


async def _add_security_group(ctx: Context, desk: Desk, server_id: str, body: GroupName) -> Response[Any]:
    await desk.security_groups.add(ctx, server_id, body.name)
    return _done()


async def _remove_security_group(ctx: Context, desk: Desk, server_id: str, body: GroupName) -> Response[Any]:
    await desk.security_groups.remove(ctx, server_id, body.name)
    return _done()


async def _add_fixed_ip(ctx: Context, desk: Desk, server_id: str, body: AddFixedIp) -> Response[Any]:
    until(ctx, _FIXED_IP_LAST)
    await desk.interfaces.add_address(ctx, server_id, uuid_text(body.network_id, "Invalid networkId."))
    return _done()


async def _remove_fixed_ip(ctx: Context, desk: Desk, server_id: str, body: RemoveFixedIp) -> Response[Any]:
    until(ctx, _FIXED_IP_LAST)
    await desk.interfaces.remove_address(ctx, server_id, address(body.address))
    return _done()


ACTS: dict[str, Act] = {
    "start": _power("start"),
    "stop": _power("stop"),
    "pause": _power("pause"),
    "unpause": _power("unpause"),
    "suspend": _power("suspend"),
    "resume": _power("resume"),
    "reboot": _reboot,
    "console_output": _console_output,
    "lock": _lock,
    "unlock": _unlock,
    "reset_state": _reset_state,
    "force_delete": _force_delete,
    "create_image": _create_image,
    "rebuild": _rebuild,
    "resize": _resize,
    "confirm_resize": _confirm_resize,
    "revert_resize": _revert_resize,
    "migrate": _migrate,
    "live_migrate": _live_migrate,
    "evacuate": _evacuate,
    "add_security_group": _add_security_group,
    "remove_security_group": _remove_security_group,
    "add_fixed_ip": _add_fixed_ip,
    "remove_fixed_ip": _remove_fixed_ip,
}


@route("POST", "/v2.1/servers/{server_id:str}/action", rule="compute:servers:action", status=202)
async def act_on_server(ctx: Context, desk: Desk, server_id: str, data: ActionRequest) -> Response[Any]:
    asked = {name: value for name in ACTS if (value := getattr(data, name)) is not UNSET}
    if len(asked) != 1:
        raise BadRequest(reason="There is no such action: the body has exactly one key, which names it.")
    ((name, body),) = asked.items()
    return await ACTS[name](ctx, desk, server_id, body)
