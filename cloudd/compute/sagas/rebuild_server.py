"""Puts a fresh root disk under a server: same id, same ports, same volumes."""

from cloudd.compute.domain import server_state
from cloudd.compute.domain.work import RebuildServerParams
from cloudd.compute.messages import BuildServer, DestroyServer
from cloudd.compute.sagas.server_saga import ServerSaga, fault_of
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run


class RebuildServer(ServerSaga):
    """Goes forward only: the old disk is gone by the user's own wish. A failed one is asked for again."""

    kind = "compute.rebuild_server"
    params = RebuildServerParams
    event = "compute_rebuild_instance"
    steps = ("tear_down", "build", "finish")
    harmless = frozenset(steps)

    async def tear_down(self, run: Run) -> None:
        server = await self.server(run)
        await self.ask(server.host, DestroyServer(server_id=server.id))

    async def build(self, run: Run) -> None:
        server = await self.server(run)
        message = BuildServer(spec=await self.spec(server, fresh=True), power_on=not run.params.stays_off)
        await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)

    async def finish(self, run: Run) -> None:
        off = run.params.stays_off
        values = {"vm_state": server_state.STOPPED if off else server_state.ACTIVE, "launched_at": now(), "admin_password": None}
        await self.end(run, **values, power_state=server_state.SHUTDOWN if off else server_state.RUNNING)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.end_failed(run, error, vm_state=server_state.ERROR, fault=fault_of(error), admin_password=None)
