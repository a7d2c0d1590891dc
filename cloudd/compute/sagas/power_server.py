"""Starts, stops, restarts, freezes and wakes a server."""

from cloudd.compute.domain import server_state as s
from cloudd.compute.domain.work import PowerServerParams
from cloudd.compute.drivers.base import RebootKind
from cloudd.compute.messages import BuildServer, ChangePower, RebootServer, StopServer
from cloudd.compute.sagas.server_saga import ServerSaga, fault_of
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run

_AFTER = {
    "start": (s.ACTIVE, s.RUNNING),
    "stop": (s.STOPPED, s.SHUTDOWN),
    "reboot": (s.ACTIVE, s.RUNNING),
    "hard_reboot": (s.ACTIVE, s.RUNNING),
    "pause": (s.PAUSED, s.POWER_PAUSED),
    "unpause": (s.ACTIVE, s.RUNNING),
    "suspend": (s.SUSPENDED, s.POWER_SUSPENDED),
    "resume": (s.ACTIVE, s.RUNNING),
}


class PowerServer(ServerSaga):
    kind = "compute.power_server"
    params = PowerServerParams
    event = "compute_power_instance"
    steps = ("act", "finish")
    harmless = frozenset(steps)

    async def act(self, run: Run) -> None:
        server = await self.server(run)
        act, patience = run.params.act, self.settings.shutdown_timeout_seconds
        match act:
            case "start":
                # Built from the rows, so that a domain that was lost or changed meanwhile is healed.
                await self.ask(server.host, BuildServer(spec=await self.spec(server)))
            case "stop":
                await self.ask(server.host, StopServer(server_id=server.id, timeout_seconds=patience), timeout_seconds=patience + 60)
            case "reboot" | "hard_reboot":
                kind = RebootKind.SOFT if act == "reboot" else RebootKind.HARD
                message = RebootServer(spec=await self.spec(server), kind=kind, timeout_seconds=patience)
                await self.ask(server.host, message, timeout_seconds=patience + 120)
            case _:
                await self.ask(server.host, ChangePower(server_id=server.id, act=act))

    async def finish(self, run: Run) -> None:
        vm_state, power_state = _AFTER[run.params.act]
        await self.end(run, vm_state=vm_state, power_state=power_state, fault=None)

    async def failed(self, run: Run, error: Condition) -> None:
        # A restart that failed half-way leaves a server of which nobody knows whether it runs.
        values = {"vm_state": s.ERROR, "fault": fault_of(error)} if "reboot" in run.params.act else {}
        await self.end_failed(run, error, **values)
