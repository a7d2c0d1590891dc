"""A server turned into an image, and an image put under a server."""

import secrets
import uuid
from typing import Any

import msgspec

from cloudd.compute.domain.server_action import ServerActions, base
from cloudd.compute.domain.server_create import hostname_of
from cloudd.compute.domain.server_image import ServerImages
from cloudd.compute.domain.server_state import STOPPED
from cloudd.compute.domain.work import CreateImageParams, RebuildServerParams
from cloudd.compute.store.block_device import BlockDevice, BlockDeviceStore
from cloudd.compute.store.keypair import KeypairStore, keypair_table
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud


class ServerImageActions:
    def __init__(self, cloud: Cloud, server_actions: ServerActions) -> None:
        self.cloud = cloud
        self.server_actions = server_actions
        self.images = ServerImages(cloud)
        self.devices = BlockDeviceStore()
        self.keypairs = KeypairStore()

    async def create_image(self, ctx: Context, server_id: str, name: str, metadata: dict[str, str]) -> str:
        """The id of an image that fills while the server goes on."""
        image_id = str(uuid.uuid4())
        async with self.cloud.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "createImage")
            await self._local_root(tx, server, "createImage")
            inherited = {key: value for key, value in server.image_properties.items() if key.startswith(("hw_", "os_", "img_"))}
            facts = {
                "image_type": "snapshot",
                "instance_uuid": server.id,
                "user_id": server.user_id,
                "base_image_ref": server.image_id or "",
            }
            params = CreateImageParams(
                **base(server),
                image_id=image_id,
                name=name,
                properties={**inherited, **facts, **metadata},
                min_disk_gib=server.flavor.disk_gib,
                min_memory_mib=int(server.image_properties.get("min_ram", 0) or 0),
            )
            await self.server_actions.begin(tx, ctx, server, "createImage", "compute.create_image", params)
        # The saga makes it too; made here, a client that looks at once finds it.
        await self.images.queue(ctx, params)
        return image_id

    async def rebuild(
        self,
        ctx: Context,
        server_id: str,
        image_id: str,
        values: dict[str, Any],
        *,
        key_name: tuple[str | None] | None,
        password: str | None,
    ) -> tuple[Server, str]:
        """The server as it will be, and its new password. `key_name` None leaves the key, (None,) takes it away."""
        image = await self.images.usable(ctx, image_id)
        password = password or secrets.token_urlsafe(9)
        async with self.cloud.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "rebuild")
            root = await self._local_root(tx, server, "rebuild")
            if server.flavor.memory_mib < image.min_memory_mib or 0 < server.flavor.disk_gib < image.min_disk_gib:
                raise BadRequest(reason="The server's flavor is too small for the requested image.")
            changes = {**values, "image_id": image_id, "image_properties": image.properties, "admin_password": password, "fault": None}
            if "hostname" in changes:
                changes["hostname"] = hostname_of(changes["hostname"], server_id)
            if key_name is not None:
                changes |= await self._key(tx, ctx, key_name[0])
            await self.server_actions.servers.store.update(tx, server_id, **changes)
            await self.devices.update(tx, root.id, source_id=image_id)
            params = RebuildServerParams(**base(server), image_id=image_id, stays_off=server.vm_state == STOPPED)
            await self.server_actions.begin(tx, ctx, server, "rebuild", "compute.rebuild_server", params)
        return msgspec.structs.replace(server, **changes, task_state="rebuilding"), password

    async def _key(self, tx: Transaction, ctx: Context, name: str | None) -> dict[str, Any]:
        if name is None:
            return {"key_name": None, "key_type": None, "public_key": None}
        rows = await self.keypairs.find(tx, keypair_table.c.user_id == ctx.user_id, keypair_table.c.name == name)
        if not rows:
            raise BadRequest(reason=f"Invalid key_name provided: {name}.")
        return {"key_name": name, "key_type": rows[0].type, "public_key": rows[0].public_key}

    async def _local_root(self, tx: Transaction, server: Server, action: str) -> BlockDevice:
        for device in (await self.devices.of(tx, [server.id]))[server.id]:
            if device.name == "root":
                return device
        raise BadRequest(reason=f"{action} is not served for a server that boots from a volume; snapshot or replace the volume itself.")
