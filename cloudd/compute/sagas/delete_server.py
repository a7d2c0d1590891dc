"""Removes a server and all that came with it; what cannot be reached now is cleaned up by the host's next reconciliation."""

from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.server_state import DELETED, ERROR, NO_STATE
from cloudd.compute.domain.work import ServerParams
from cloudd.compute.messages import DestroyServer
from cloudd.compute.sagas.server_saga import ServerSaga, fault_of
from cloudd.compute.store.host import HostStore
from cloudd.compute.store.migration import FINISHED, MigrationStore
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run
from cloudd.kit.service import Cloud
from cloudd.placement.client import PlacementClient


class DeleteServer(ServerSaga):
    """Goes forward only: every step may be repeated, and a failed deletion may be asked for again."""

    kind = "compute.delete_server"
    params = ServerParams
    event = "compute_terminate_instance"
    steps = ("wait", "destroy", "release_volumes", "remove_ports", "release", "finish")
    harmless = frozenset(steps)

    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        super().__init__(cloud)
        self.hosts = hosts
        self.host_rows = HostStore()
        self.migrations = MigrationStore()

    async def wait(self, run: Run) -> None:
        """Other work on the server sees the task state and ends."""
        await self.until_alone(run)

    async def destroy(self, run: Run) -> None:
        server = await self.server(run)
        async with self.db.read() as tx:
            migrations = await self.migrations.of_server(tx, server.id)
        # A resize that waits for its decision still has disks on the host it came from.
        names = {server.host, *(row.source_host for row in migrations if row.is_under_way)}
        for name in sorted(name for name in names if name):
            async with self.db.read() as tx:
                host = await self.host_rows.by_name(tx, name)
            # A host that is down removes what it has itself when it comes back and finds its server deleted.
            if host is not None and self.hosts.is_up(host):
                await self.ask(name, DestroyServer(server_id=server.id))

    async def release_volumes(self, run: Run) -> None:
        devices, _ = await self.parts(run.params.server_id)
        for device in devices:
            if device.volume_id:
                await self.volumes.detach(device)
                await self.volumes.unreserve(run.ctx, device.volume_id)
                if device.delete_on_termination:
                    await self.volumes.unmake(run.ctx, device.volume_id)

    async def remove_ports(self, run: Run) -> None:
        _, interfaces = await self.parts(run.params.server_id)
        for interface in interfaces:
            await self.network.remove(interface)

    async def release(self, run: Run) -> None:
        placement = self.cloud.client(PlacementClient)
        await placement.release(run.params.server_id)
        async with self.db.read() as tx:
            migrations = await self.migrations.of_server(tx, run.params.server_id)
        for migration in migrations:
            if migration.is_under_way:
                await placement.release(migration.id)

    async def finish(self, run: Run) -> None:
        server_id = run.params.server_id
        async with self.db.write() as tx:
            await self.interfaces.delete_of(tx, server_id)
            await self.devices.delete_of(tx, server_id)
            values = {"vm_state": DELETED, "task_state": None, "power_state": NO_STATE, "deleted_at": now(), "updated_at": now()}
            await self.servers.update(tx, server_id, **values)
            for migration in await self.migrations.of_server(tx, server_id):
                if migration.is_under_way:
                    status = "confirmed" if migration.status == FINISHED else "error"
                    await self.migrations.update(tx, migration.id, status=status, updated_at=now())
            await self.actions.finish(tx, server_id, run.request_id, self.event, None)

    async def failed(self, run: Run, error: Condition) -> None:
        async with self.db.write() as tx:
            await self.servers.update(tx, run.params.server_id, task_state=None)
        await self.end_failed(run, error, vm_state=ERROR, fault=fault_of(error))
