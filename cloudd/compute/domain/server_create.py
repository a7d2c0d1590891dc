"""The use case "create servers": everything is looked up and checked, all random choices are made, then one transaction."""

import re
import uuid
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError

from cloudd.compute.domain import block_device, server_state
from cloudd.compute.domain.action import Actions
from cloudd.compute.domain.flavor import Flavors
from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.quota import Quotas
from cloudd.compute.domain.server_image import ImageFacts, ServerImages
from cloudd.compute.domain.server_network import ServerNetwork
from cloudd.compute.domain.server_request import BlockDeviceRequest, ServerRequest
from cloudd.compute.domain.server_volume import ServerVolumes
from cloudd.compute.domain.work import CreateServerParams
from cloudd.compute.errors import FlavorNotFound, KeypairNotFound, QuotaExceeded, VolumeUnusable
from cloudd.compute.store.block_device import BlockDevice, BlockDeviceStore
from cloudd.compute.store.interface import Interface, InterfaceStore
from cloudd.compute.store.keypair import Keypair, KeypairStore, keypair_table
from cloudd.compute.store.server import FlavorFacts, Server, ServerStore
from cloudd.compute.store.server_group import ServerGroup, ServerGroupStore
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.errors import BadRequest, Condition, Conflict
from cloudd.kit.service import Cloud


class Draft(msgspec.Struct):
    """One server that is about to be."""

    server: Server
    devices: list[BlockDevice]
    interfaces: list[Interface]


class ServerCreation:
    def __init__(self, cloud: Cloud, flavors: Flavors, hosts: Hosts, quotas: Quotas, actions: Actions) -> None:
        self.cloud = cloud
        self.flavors = flavors
        self.hosts = hosts
        self.quotas = quotas
        self.actions = actions
        self.images = ServerImages(cloud)
        self.network = ServerNetwork(cloud)
        self.volumes = ServerVolumes(cloud)
        self.servers = ServerStore()
        self.devices = BlockDeviceStore()
        self.interfaces = InterfaceStore()
        self.keypairs = KeypairStore()
        self.groups = ServerGroupStore()

    async def create(self, ctx: Context, request: ServerRequest) -> list[Server]:
        """The new servers, in BUILD. BadRequest for what cannot be, QuotaExceeded, and the conditions of the other services."""
        flavor = await self._flavor(ctx, request.flavor_id)
        disks = block_device.checked(request)
        image = await self._image(ctx, request, disks)
        self._check_size(flavor, image, disks)
        await self._check_volumes(ctx, disks)
        keypair = await self._keypair(ctx, request.key_name)
        group = await self._group(ctx, request.scheduler_hints)
        zone, host = await self._zone(request)
        if request.max_count > 1 and any(nic.port_id for nic in request.networks or [] if not isinstance(nic, str)):
            raise BadRequest(
                reason="Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one."
            )
        drafts = []
        reservation_id = f"r-{uuid.uuid4().hex[:8]}"
        for index in range(request.max_count):
            server = self._server(ctx, request, flavor, image, keypair, index, reservation_id)
            server.pinned_availability_zone, server.wanted_host = zone, host
            server.server_group_id = group.id if group else None
            interfaces = await self.network.plan(ctx, request.networks, request.security_groups, server_id=server.id)
            devices = block_device.planned(server.id, disks, flavor, server.image_properties)
            drafts.append(Draft(server, devices, interfaces))
        try:
            return await self._commit(ctx, request, drafts)
        except IntegrityError:
            raise Conflict(reason="A port of this request is in use by another server.") from None

    async def _commit(self, ctx: Context, request: ServerRequest, drafts: list[Draft]) -> list[Server]:
        async with self.cloud.db.write() as tx:
            drafts = drafts[: await self._room(tx, ctx, request, drafts)]
            for draft in drafts:
                server = draft.server
                await self.servers.insert(tx, server)
                await self.devices.insert_all(tx, draft.devices)
                await self.interfaces.insert_all(tx, draft.interfaces)
                await self.actions.record(tx, ctx, server, "create")
                params = CreateServerParams(
                    server_id=server.id,
                    project_id=server.project_id,
                    user_id=server.user_id,
                    local_disk_gib=block_device.local_disk_gib(draft.devices),
                )
                await self.cloud.sagas.start(tx, "compute.create_server", params, resource_id=server.id, request_id=ctx.request_id)
        return [draft.server for draft in drafts]

    async def _room(self, tx: Any, ctx: Context, request: ServerRequest, drafts: list[Draft]) -> int:
        """As many as fit between min_count and max_count."""
        flavor = drafts[0].server.flavor
        for count in range(len(drafts), request.min_count - 1, -1):
            try:
                await self.quotas.check_servers(tx, ctx.project, instances=count, cores=count * flavor.vcpus, ram=count * flavor.memory_mib)
            except QuotaExceeded:
                if count == request.min_count:
                    raise
            else:
                return count
        return request.min_count

    def _server(
        self,
        ctx: Context,
        request: ServerRequest,
        flavor: FlavorFacts,
        image: ImageFacts | None,
        keypair: Keypair | None,
        index: int,
        reservation_id: str,
    ) -> Server:
        server_id = str(uuid.uuid4())
        suffix = f"-{index + 1}" if request.max_count > 1 else ""
        name = f"{request.name}{suffix}"
        return Server(
            id=server_id,
            project_id=ctx.project,
            user_id=ctx.user_id or "",
            name=name,
            description=request.description,
            hostname=hostname_of(f"{request.hostname}{suffix}" if request.hostname else name, server_id),
            vm_state=server_state.BUILDING,
            task_state=server_state.SCHEDULING,
            image_id=request.image_id or None,
            image_properties=image.properties if image else {},
            flavor_id=flavor.id,
            flavor=flavor,
            vcpus=flavor.vcpus,
            memory_mib=flavor.memory_mib,
            key_name=keypair.name if keypair else None,
            key_type=keypair.type if keypair else None,
            public_key=keypair.public_key if keypair else None,
            user_data=request.user_data,
            admin_password=request.admin_password,
            config_drive=request.config_drive or bool(image and image.properties.get("img_config_drive") == "mandatory"),
            metadata=request.metadata,
            tags=list(dict.fromkeys(request.tags)),
            access_ipv4=request.access_ipv4,
            access_ipv6=request.access_ipv6,
            disk_config=request.disk_config,
            security_groups=request.security_groups or ["default"],
            launch_index=index,
            reservation_id=reservation_id,
            scheduler_hints=request.scheduler_hints,
            created_at=now(),
            updated_at=now(),
        )

    async def _flavor(self, ctx: Context, flavor_id: str) -> FlavorFacts:
        try:
            flavor = await self.flavors.get(ctx, flavor_id)
        except FlavorNotFound as error:
            raise BadRequest(reason=f"Invalid flavorRef provided: {error.text}") from None
        return flavor_facts(flavor)

    async def _image(self, ctx: Context, request: ServerRequest, disks: list[BlockDeviceRequest]) -> ImageFacts | None:
        if request.image_id:
            return await self.images.usable(ctx, request.image_id)
        root = disks[0]
        return await self.images.usable(ctx, root.source_id) if root.source_type == "image" and root.source_id else None

    def _check_size(self, flavor: FlavorFacts, image: ImageFacts | None, disks: list[BlockDeviceRequest]) -> None:
        if image is None:
            return
        if flavor.memory_mib < image.min_memory_mib:
            raise BadRequest(reason=f"Flavor's memory is too small for requested image: it needs {image.min_memory_mib} MiB.")
        local = disks[0].destination_type == "local"
        size_gib = flavor.disk_gib if local else disks[0].size_gib or 0
        if (not local or size_gib) and size_gib < max(image.min_disk_gib, -(-image.size_bytes >> 30)):
            what = "Flavor's disk" if local else "The boot volume"
            raise BadRequest(reason=f"{what} is too small for requested image: it has {size_gib} GiB, the image needs more.")

    async def _check_volumes(self, ctx: Context, disks: list[BlockDeviceRequest]) -> None:
        for disk in disks:
            if disk.source_type != "volume" or disk.source_id is None:
                continue
            try:
                volume = await self.volumes.usable(ctx, disk.source_id)
            except Condition as error:
                raise BadRequest(reason=f"Block Device Mapping is Invalid: {error.text}") from error
            if disk.boot_index == 0 and not volume.bootable:
                raise VolumeUnusable(reason=f"Block Device {disk.source_id} is not bootable.")

    async def _keypair(self, ctx: Context, name: str | None) -> Keypair | None:
        if name is None:
            return None
        async with self.cloud.db.read() as tx:
            rows = await self.keypairs.find(tx, keypair_table.c.user_id == ctx.user_id, keypair_table.c.name == name)
        if not rows:
            raise BadRequest(reason=f"Invalid key_name provided. {KeypairNotFound(name=name, user_id=ctx.user_id).text}")
        return rows[0]

    async def _group(self, ctx: Context, hints: dict[str, Any]) -> ServerGroup | None:
        group_id = hints.get("group")
        if group_id is None:
            return None
        async with self.cloud.db.read() as tx:
            group = await self.groups.get(tx, str(group_id))
        if group is None or not ctx.may_see(group.project_id):
            raise BadRequest(reason=f"Instance group {group_id} could not be found.")
        return group

    async def _zone(self, request: ServerRequest) -> tuple[str | None, str | None]:
        """The zone and host asked for; both must be there."""
        zones = await self.hosts.zones()
        if request.availability_zone is not None and request.availability_zone not in zones:
            raise BadRequest(reason=f"The requested availability zone is not available: {request.availability_zone}")
        if request.host is not None and request.host not in {host.name for hosts in zones.values() for host in hosts}:
            raise BadRequest(reason=f"Compute host {request.host} could not be found.")
        return request.availability_zone, request.host


def flavor_facts(flavor: Any) -> FlavorFacts:
    """The copy of a flavor that a server keeps."""
    return FlavorFacts(
        id=flavor.id,
        name=flavor.name,
        vcpus=flavor.vcpus,
        memory_mib=flavor.memory_mib,
        disk_gib=flavor.disk_gib,
        ephemeral_gib=flavor.ephemeral_gib,
        swap_mib=flavor.swap_mib,
        extra_specs=flavor.extra_specs,
    )


def hostname_of(name: str, server_id: str) -> str:
    """A name that DNS takes: letters, digits and hyphens."""
    text = re.sub(r"[^a-zA-Z0-9-]", "", re.sub(r"[ _.]", "-", name)).lower().strip("-")[:63].rstrip("-")
    return text or f"server-{server_id}"
