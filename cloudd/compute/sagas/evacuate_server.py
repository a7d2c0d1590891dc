"""Builds the server of a dead host anew on another one."""

import msgspec

from cloudd.compute.domain import server_state
from cloudd.compute.domain.scheduler import amounts
from cloudd.compute.domain.work import EvacuateServerParams
from cloudd.compute.messages import BuildServer, DestroyServer
from cloudd.compute.sagas.moving import Moving
from cloudd.compute.sagas.server_saga import fault_of
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run

_FENCE_SECONDS = 5


class EvacuateServer(Moving):
    """A volume that it boots from is kept; a local root disk is lost with its host and made anew from the image."""

    kind = "compute.evacuate_server"
    params = EvacuateServerParams
    event = "compute_rebuild_instance"
    steps = ("wait", "claim", "fence", "connect", "build", "finish")
    harmless = frozenset({"wait", "fence", "finish"})

    async def wait(self, run: Run) -> None:
        """What was under way on the dead host fails first, and takes its task state with it."""
        await self.until_alone(run)
        await self.update(run, task_state="rebuilding")

    async def claim(self, run: Run) -> None:
        server = await self.server(run)
        await self.claim_elsewhere(run, server, amounts(server.flavor, run.params.local_disk_gib), status="pre-migrating")

    async def undo_claim(self, run: Run) -> None:
        await self.give_back(run)

    async def fence(self, run: Run) -> None:
        """A host that was only declared dead, or just returned, hears first that the server is no longer its own."""
        message = DestroyServer(server_id=run.params.server_id, keep_disks=True)
        try:
            await self.ask(run.params.source_host, message, timeout_seconds=_FENCE_SECONDS)
        except Condition as error:
            # Dead, as was said. When it comes back it asks what it may run before it does anything else.
            if not error.retryable:
                raise

    async def connect(self, run: Run) -> None:
        migration = await self.migration(run)
        await self.connect_to(await self.server(run), migration.destination_host or "")

    async def undo_connect(self, run: Run) -> None:
        await self.connect_to(await self.server(run), run.params.source_host)

    async def build(self, run: Run) -> None:
        migration, server = await self.migration(run), await self.server(run)
        spec = await self.spec(server, fresh=True)
        message = BuildServer(spec=spec, power_on=not run.params.stays_off)
        await self.ask(migration.destination_host, message, timeout_seconds=self.settings.build_timeout_seconds)

    async def undo_build(self, run: Run) -> None:
        migration = await self.migration(run)
        await self.ask(migration.destination_host, DestroyServer(server_id=run.params.server_id))

    async def finish(self, run: Run) -> None:
        migration = await self.migration(run)
        off = run.params.stays_off
        await self.placement.release(run.params.migration_id)
        await self.note(run, status="done", has_landed=True)
        values = {"vm_state": server_state.STOPPED if off else server_state.ACTIVE, "launched_at": now(), "admin_password": None}
        power_state = server_state.SHUTDOWN if off else server_state.RUNNING
        await self.end(run, **values, power_state=power_state, host=migration.destination_host, fault=None)

    async def failed(self, run: Run, error: Condition) -> None:
        """In ERROR, as in OpenStack: its old host's again, which keeps its disks and leaves it off; it may be evacuated once more."""
        await self.note(run, status="error")
        fault = msgspec.structs.replace(fault_of(error), message=f"Evacuation failed: {error.text}")
        await self.end_failed(run, error, vm_state=server_state.ERROR, fault=fault, admin_password=None)
