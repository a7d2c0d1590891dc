"""Moves a running server to another host while its guest goes on."""

import asyncio
from datetime import timedelta

import msgspec

from cloudd.compute.domain import server_state
from cloudd.compute.domain.scheduler import amounts
from cloudd.compute.domain.work import MoveServerParams
from cloudd.compute.drivers.base import MigrationPhase, MigrationProgress, PowerState
from cloudd.compute.errors import Abandoned, MigrationFailed, MigrationUncertain
from cloudd.compute.messages import AbortMigration, ForceMigration, ListDomains, ShowMigration, StartMigration
from cloudd.compute.sagas.moving import Moving
from cloudd.compute.store.migration import Migration
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run

_POLL_SECONDS = 0.5
_ABORT_SECONDS = 30
CANCELLED = "The migration was called off."


class LiveMigrateServer(Moving):
    """Until the guest has landed every step can be undone, and it goes on at the source; from then on the only way is forward.

    The migration's row says which of the two holds, and an undo that finds the guest at the destination goes forward, too: a
    guest that has left its host is never looked for there again.
    """

    kind = "compute.live_migrate_server"
    params = MoveServerParams
    event = "compute_live_migration"
    steps = ("claim", "open_ports", "connect", "prepare", "move", "settle", "finish")
    harmless = frozenset({"settle", "finish"})

    async def claim(self, run: Run) -> None:
        await self._still_wanted(run)
        server = await self.server(run)
        await self.claim_elsewhere(run, server, amounts(server.flavor, run.params.local_disk_gib), status="preparing")

    async def undo_claim(self, run: Run) -> None:
        if not (await self.migration(run)).has_landed:
            await self.give_back(run)

    async def open_ports(self, run: Run) -> None:
        migration = await self._still_wanted(run)
        _, interfaces = await self.parts(run.params.server_id)
        await self.network.begin_migration(interfaces, migration.destination_host or "")

    async def undo_open_ports(self, run: Run) -> None:
        if not (await self.migration(run)).has_landed:
            _, interfaces = await self.parts(run.params.server_id)
            await self.network.abort_migration(interfaces, run.params.source_host)

    async def connect(self, run: Run) -> None:
        migration, server = await self._still_wanted(run), await self.server(run)
        devices, _ = await self.parts(server.id)
        await self.connect_volumes(server, migration.destination_host or "", devices)

    async def undo_connect(self, run: Run) -> None:
        if not (await self.migration(run)).has_landed:
            devices, _ = await self.parts(run.params.server_id)
            await self.connect_volumes(await self.server(run), run.params.source_host, devices)

    async def prepare(self, run: Run) -> None:
        migration, server = await self._still_wanted(run), await self.server(run)
        destination = migration.destination_host or ""
        # Killed after the guest had left, this step must not touch what runs there.
        if server.id in await self._powers(destination):
            return
        await self.carry_disks(run, server, run.params.source_host, destination, copy=False)

    async def undo_prepare(self, run: Run) -> None:
        migration = await self.migration(run)
        if not migration.has_landed:
            await self.drop_disks(run, run.params.source_host, migration.destination_host or "")

    async def move(self, run: Run) -> None:
        migration = await self._still_wanted(run)
        source, destination = run.params.source_host, migration.destination_host or ""
        if (await self._progress(run, source)).phase is not MigrationPhase.MOVED:
            await self.ask(source, StartMigration(server_id=run.params.server_id, address=migration.destination_address))
            await self.note(run, status="running")
        await self._until_over(run, source)
        await self._check_landed(run, destination)

    async def undo_move(self, run: Run) -> None:
        migration = await self.migration(run)
        if migration.has_landed:
            return
        source, destination = run.params.source_host, migration.destination_host or ""
        try:
            await self._call_off(run, source)
        except Condition as error:
            # The source is gone, or cannot be asked: only the destination can tell.
            if (await self._powers(destination)).get(run.params.server_id) is not PowerState.RUNNING:
                if run.params.vm_state == server_state.ACTIVE:
                    return
                raise MigrationUncertain(server_id=run.params.server_id, host=destination, reason=error.text) from error
            await self.note(run, has_landed=True)
        else:
            if run.params.server_id not in await self._powers(source) and run.params.server_id in await self._powers(destination):
                await self.note(run, has_landed=True)

    async def settle(self, run: Run) -> None:
        migration = await self.migration(run)
        destination, source = migration.destination_host or "", run.params.source_host
        await self.note(run, status="post-migrating")
        await self.update(run, host=destination)
        _, interfaces = await self.parts(run.params.server_id)
        await self.network.finish_migration(interfaces, destination)
        await self.placement.release(run.params.migration_id)
        await self.clean(source, run.params.server_id)

    async def finish(self, run: Run) -> None:
        await self.note(run, status="completed")
        await self.end(run)

    async def failed(self, run: Run, error: Condition) -> None:
        migration = await self.migration(run)
        if migration.has_landed:
            await self.settle(run)
            await self.note(run, status="completed")
        elif migration.status != "completed":
            await self.note(run, status="cancelled" if migration.wish == "abort" else "error")
        await self.end_failed(run, error)

    async def _still_wanted(self, run: Run) -> Migration:
        """The row, unless the migration was called off or the server is to go."""
        migration, server = await self.migration(run), await self.server(run)
        if server.task_state == server_state.DELETING:
            raise Abandoned(server_id=server.id)
        if migration.wish == "abort":
            raise MigrationFailed(host=migration.destination_host or "another host", reason=CANCELLED)
        return migration

    async def _until_over(self, run: Run, source: str) -> None:
        """Follow the move, pass on what operators wish of it. MigrationFailed says why it ended where it began."""
        deadline = now() + timedelta(seconds=self.settings.live_migration_timeout_seconds)
        forced = False
        while (progress := await self._progress(run, source)).phase is MigrationPhase.RUNNING:
            await self.note(run, progress=_byte_counts(progress))
            migration = await self._still_wanted(run)
            if migration.wish == "force" and not forced:
                forced = True
                await self.ask(source, ForceMigration(server_id=run.params.server_id))
            if now() > deadline:
                seconds = self.settings.live_migration_timeout_seconds
                raise MigrationFailed(host=migration.destination_host, reason=f"It did not come to its end within {seconds:g} s.")
            await asyncio.sleep(_POLL_SECONDS)
        if progress.phase is not MigrationPhase.MOVED:
            migration = await self.migration(run)
            raise MigrationFailed(host=migration.destination_host, reason=progress.error or "It was interrupted.")

    async def _check_landed(self, run: Run, destination: str) -> None:
        """The guest is no longer at the source; without it at the destination it was lost on the way (its host lost power)."""
        if run.params.server_id not in await self._powers(destination):
            raise MigrationFailed(host=destination, reason="The guest is on neither host.")
        await self.note(run, has_landed=True)

    async def _call_off(self, run: Run, source: str) -> None:
        await self.ask(source, AbortMigration(server_id=run.params.server_id))
        deadline = now() + timedelta(seconds=_ABORT_SECONDS)
        while (await self._progress(run, source)).phase is MigrationPhase.RUNNING:
            if now() > deadline:
                raise MigrationUncertain(server_id=run.params.server_id, host=source, reason="it does not let itself be called off")
            await asyncio.sleep(_POLL_SECONDS)

    async def _progress(self, run: Run, source: str) -> MigrationProgress:
        progress: MigrationProgress = await self.ask(source, ShowMigration(server_id=run.params.server_id), timeout_seconds=30)
        return progress

    async def _powers(self, host: str) -> dict[str, PowerState]:
        return {domain.server_id: domain.power_state for domain in await self.ask(host, ListDomains(), timeout_seconds=30)}


def _byte_counts(progress: MigrationProgress) -> dict[str, int]:
    return {key: value for key, value in msgspec.to_builtins(progress).items() if key.endswith("_bytes")}
