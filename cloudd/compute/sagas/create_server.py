"""Makes a server: host, volumes, ports, and the guest on the host."""

from typing import Any

from cloudd.compute.domain import server_state
from cloudd.compute.domain.scheduler import Scheduler
from cloudd.compute.domain.work import CreateServerParams
from cloudd.compute.errors import Abandoned
from cloudd.compute.messages import BuildServer, DestroyServer
from cloudd.compute.sagas.server_saga import ServerSaga, fault_of
from cloudd.compute.store.server import Server
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run
from cloudd.kit.service import Cloud
from cloudd.placement.client import PlacementClient


class CreateServer(ServerSaga):
    kind = "compute.create_server"
    params = CreateServerParams
    event = "compute__do_build_and_run_instance"
    steps = ("schedule", "make_volumes", "make_ports", "attach_volumes", "build", "finish")
    harmless = frozenset({"finish"})

    def __init__(self, cloud: Cloud, scheduler: Scheduler) -> None:
        super().__init__(cloud)
        self.scheduler = scheduler

    async def wanted(self, run: Run) -> Server:
        """The server, unless its user has given it up: then what is made so far is undone."""
        server = await self.server(run)
        if server.task_state == server_state.DELETING:
            raise Abandoned(server_id=server.id)
        return server

    async def schedule(self, run: Run) -> dict[str, Any]:
        server = await self.wanted(run)
        chosen = await self.scheduler.place(server, local_disk_gib=run.params.local_disk_gib)
        await self.update(run, host=chosen.host, availability_zone=chosen.availability_zone)
        return {"host": chosen.host}

    async def undo_schedule(self, run: Run) -> None:
        await self.cloud.client(PlacementClient).release(run.params.server_id)
        await self.update(run, host=None)

    async def make_volumes(self, run: Run) -> None:
        server = await self.wanted(run)
        devices, _ = await self.parts(server.id)
        # All at once: copying images into volumes takes its time.
        for device in devices:
            if device.volume_id and not device.make_volume:
                await self.volumes.reserve(run.ctx, device.volume_id)
        for device in devices:
            if device.volume_id and device.make_volume:
                await self.volumes.make(run.ctx, device, server)

    async def undo_make_volumes(self, run: Run) -> None:
        devices, _ = await self.parts(run.params.server_id)
        for device in devices:
            if device.volume_id and device.make_volume:
                await self.volumes.unmake(run.ctx, device.volume_id)
            elif device.volume_id:
                await self.volumes.unreserve(run.ctx, device.volume_id)

    async def make_ports(self, run: Run) -> None:
        server = await self.wanted(run)
        _, interfaces = await self.parts(server.id)
        for interface in interfaces:
            await self.network.make(interface, server, run.results["schedule"]["host"])

    async def undo_make_ports(self, run: Run) -> None:
        _, interfaces = await self.parts(run.params.server_id)
        for interface in interfaces:
            await self.network.remove(interface)

    async def attach_volumes(self, run: Run) -> None:
        server = await self.wanted(run)
        devices, _ = await self.parts(server.id)
        for device in devices:
            if device.volume_id:
                connection = await self.volumes.attach(device, server.id, run.results["schedule"]["host"])
                async with self.db.write() as tx:
                    await self.devices.update(tx, device.id, connection=connection)

    async def undo_attach_volumes(self, run: Run) -> None:
        devices, _ = await self.parts(run.params.server_id)
        for device in devices:
            if device.volume_id:
                await self.volumes.detach(device)

    async def build(self, run: Run) -> None:
        server = await self.wanted(run)
        await self.update(run, task_state="spawning")
        spec = await self.spec(server, fresh=True)
        await self.ask(server.host, BuildServer(spec=spec), timeout_seconds=self.settings.build_timeout_seconds)

    async def undo_build(self, run: Run) -> None:
        await self.ask(run.results["schedule"]["host"], DestroyServer(server_id=run.params.server_id))

    async def finish(self, run: Run) -> None:
        await self.end(run, vm_state=server_state.ACTIVE, power_state=server_state.RUNNING, launched_at=now(), admin_password=None)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.end_failed(run, error, vm_state=server_state.ERROR, fault=fault_of(error), admin_password=None)
        async with self.db.write() as tx:
            # What was undone is no part of the server any more; its own root disk stays described for a rebuild.
            await self.interfaces.delete_of(tx, run.params.server_id)
            await self.devices.delete_volumes_of(tx, run.params.server_id)
