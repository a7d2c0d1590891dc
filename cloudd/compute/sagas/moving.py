"""What the sagas that move a server to another host have in common."""

from typing import Any

from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.scheduler import Scheduler
from cloudd.compute.errors import MigrationNotFound
from cloudd.compute.messages import DestroyServer, OfferDisks, ReceiveDisks, WithdrawDisks
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.compute.store.migration import Migration, MigrationStore
from cloudd.compute.store.server import Server
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run
from cloudd.kit.service import Cloud
from cloudd.placement.client import PlacementClient


class Moving(ServerSaga):
    """`params` has at least migration_id, source_host and wanted_host."""

    def __init__(self, cloud: Cloud, hosts: Hosts, scheduler: Scheduler) -> None:
        super().__init__(cloud)
        self.hosts = hosts
        self.scheduler = scheduler
        self.migrations = MigrationStore()

    @property
    def placement(self) -> PlacementClient:
        return self.cloud.client(PlacementClient)

    async def migration(self, run: Run) -> Migration:
        """The row of this move."""
        async with self.db.read() as tx:
            migration = await self.migrations.get(tx, run.params.migration_id)
        if migration is None:
            raise MigrationNotFound(migration_id=run.params.migration_id)
        return migration

    async def note(self, run: Run, **values: Any) -> None:
        """Change the row of this move; a server that was resized before moves had rows has none."""
        async with self.db.write() as tx:
            await self.migrations.update(tx, run.params.migration_id, updated_at=now(), **values)

    async def claim_elsewhere(self, run: Run, server: Server, resources: dict[str, int], *, status: str) -> str:
        """Choose the destination and hold resources there and here; its name."""
        chosen = await self.scheduler.move(
            server, resources, migration_id=run.params.migration_id, wanted_host=run.params.wanted_host or None
        )
        host = await self.hosts.get(chosen.host)
        await self.note(run, destination_host=host.name, destination_address=host.address, status=status)
        return host.name

    async def give_back(self, run: Run) -> None:
        """The server holds again what it held before the move."""
        await self.placement.move_back(run.params.server_id, run.params.migration_id, run.params.project_id, run.params.user_id)

    async def carry_disks(self, run: Run, server: Server, source: str, destination: str, *, copy: bool) -> None:
        """The server's files are at the destination; without `copy` its disks are there, but empty."""
        patience = self.settings.build_timeout_seconds
        spec = await self.spec(server)
        offer = await self.ask(source, OfferDisks(server_id=server.id))
        await self.ask(destination, ReceiveDisks(spec=spec, offer=offer, copy=copy), timeout_seconds=patience)
        await self.ask(source, WithdrawDisks(server_id=server.id))

    async def drop_disks(self, run: Run, source: str, destination: str) -> None:
        """Undo `carry_disks`."""
        await self.ask(destination, DestroyServer(server_id=run.params.server_id))
        await self.ask(source, WithdrawDisks(server_id=run.params.server_id))

    async def clean(self, host: str, server_id: str) -> None:
        """Nothing of the server is on that host; one that is down or gone cleans up when it comes back."""
        try:
            if self.hosts.is_up(await self.hosts.get(host)):
                await self.ask(host, DestroyServer(server_id=server_id))
        except Condition as error:
            if not error.retryable and error.status != 404:
                raise
