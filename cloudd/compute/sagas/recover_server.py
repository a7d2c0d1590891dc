"""Brings a server back that should run but does not, after its host was rebooted or its domain was lost."""

from cloudd.compute.domain import server_state
from cloudd.compute.domain.work import ServerParams
from cloudd.compute.errors import HostFailed, HostFailedForNow
from cloudd.compute.messages import BuildServer
from cloudd.compute.sagas.server_saga import ServerSaga, fault_of
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run


class RecoverServer(ServerSaga):
    kind = "compute.recover_server"
    params = ServerParams
    event = "compute_recover_instance"
    steps = ("connect", "build", "finish")
    harmless = frozenset(steps)

    async def connect(self, run: Run) -> None:
        """Ports and volumes as the host needs them, told anew: a rebooted host has forgotten them."""
        server = await self.server(run)
        await self.connect_to(server, server.host or "")

    async def build(self, run: Run) -> None:
        server = await self.server(run)
        message = BuildServer(spec=await self.spec(server))
        try:
            await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)
        except HostFailed as error:
            # A host that has just booted may not have its switches yet; what the hypervisor refuses now it may take soon.
            if str(error.fields.get("driver_code", "")).startswith("libvirt_"):
                raise HostFailedForNow(**error.fields) from error
            raise

    async def finish(self, run: Run) -> None:
        await self.end(run, vm_state=server_state.ACTIVE, power_state=server_state.RUNNING, fault=None)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.end_failed(run, error, vm_state=server_state.ERROR, fault=fault_of(error))
