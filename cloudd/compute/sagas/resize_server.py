"""Gives a server another flavor on its host, to be confirmed or taken back."""

import msgspec

from cloudd.compute.domain import server_state
from cloudd.compute.domain.scheduler import amounts
from cloudd.compute.domain.work import ResizeServerParams
from cloudd.compute.messages import ConfirmResize as ConfirmMessage
from cloudd.compute.messages import ResizeServer as ResizeMessage
from cloudd.compute.messages import RevertResize as RevertMessage
from cloudd.compute.sagas.server_saga import ServerSaga, fault_of
from cloudd.compute.store.server import FlavorFacts
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run
from cloudd.placement.client import PlacementClient


class _Resizing(ServerSaga):
    params = ResizeServerParams

    async def claim_for(self, run: Run, resources: dict[str, int]) -> None:
        """Hold so much on the server's host, in place of what it held."""
        placement = self.cloud.client(PlacementClient)
        for provider_id in await placement.allocations_of(run.params.server_id):
            await placement.claim(run.params.server_id, provider_id, resources, run.params.project_id, run.params.user_id)

    async def set_flavor(self, run: Run, flavor: FlavorFacts, old: FlavorFacts | None) -> None:
        """Change the rows."""
        server_id = run.params.server_id
        async with self.db.write() as tx:
            await self.servers.update(tx, server_id, flavor=flavor, flavor_id=flavor.id, old_flavor=old)
            for device in (await self.devices.of(tx, [server_id]))[server_id]:
                if device.name == "root":
                    await self.devices.update(tx, device.id, size_gib=flavor.disk_gib)

    def old_amounts(self, run: Run) -> dict[str, int]:
        return amounts(run.params.old_flavor, run.params.old_local_disk_gib)

    def new_amounts(self, run: Run) -> dict[str, int]:
        return amounts(run.params.flavor, run.params.local_disk_gib)


class ResizeServer(_Resizing):
    kind = "compute.resize_server"
    event = "compute_resize_instance"
    steps = ("claim", "set_rows", "resize", "finish")
    harmless = frozenset({"finish"})

    async def claim(self, run: Run) -> None:
        old, new = self.old_amounts(run), self.new_amounts(run)
        await self.claim_for(run, {name: max(old.get(name, 0), new.get(name, 0)) for name in {*old, *new}})

    async def undo_claim(self, run: Run) -> None:
        await self.claim_for(run, self.old_amounts(run))

    async def set_rows(self, run: Run) -> None:
        await self.set_flavor(run, run.params.flavor, run.params.old_flavor)

    async def undo_set_rows(self, run: Run) -> None:
        await self.set_flavor(run, run.params.old_flavor, None)
        await self.update(run, vcpus=run.params.old_flavor.vcpus, memory_mib=run.params.old_flavor.memory_mib)

    async def resize(self, run: Run) -> None:
        server = await self.server(run)
        message = ResizeMessage(spec=await self.spec(server), power_on=run.params.vm_state == server_state.ACTIVE)
        await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)

    async def undo_resize(self, run: Run) -> None:
        server = await self.server(run)
        before = msgspec.structs.replace(server, flavor=run.params.old_flavor)
        message = RevertMessage(spec=await self.spec(before), power_on=run.params.vm_state == server_state.ACTIVE)
        await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)

    async def finish(self, run: Run) -> None:
        power = server_state.RUNNING if run.params.vm_state == server_state.ACTIVE else server_state.SHUTDOWN
        await self.end(run, vm_state=server_state.RESIZED, power_state=power)

    async def failed(self, run: Run, error: Condition) -> None:
        old = run.params.old_flavor
        await self.end_failed(run, error, vcpus=old.vcpus, memory_mib=old.memory_mib, fault=fault_of(error))


class ConfirmResize(_Resizing):
    kind = "compute.confirm_resize"
    event = "compute_confirm_resize"
    steps = ("drop_old", "claim", "finish")
    harmless = frozenset(steps)

    async def drop_old(self, run: Run) -> None:
        server = await self.server(run)
        await self.ask(server.host, ConfirmMessage(server_id=server.id))

    async def claim(self, run: Run) -> None:
        await self.claim_for(run, self.new_amounts(run))

    async def finish(self, run: Run) -> None:
        server = await self.server(run)
        state = server_state.ACTIVE if server.power_state == server_state.RUNNING else server_state.STOPPED
        new = run.params.flavor
        await self.end(run, vm_state=state, old_flavor=None, vcpus=new.vcpus, memory_mib=new.memory_mib)


class RevertResize(_Resizing):
    kind = "compute.revert_resize"
    event = "compute_revert_resize"
    steps = ("set_rows", "revert", "claim", "finish")
    harmless = frozenset(steps)

    async def set_rows(self, run: Run) -> None:
        await self.set_flavor(run, run.params.old_flavor, None)

    async def revert(self, run: Run) -> None:
        server = await self.server(run)
        message = RevertMessage(spec=await self.spec(server), power_on=server.power_state == server_state.RUNNING)
        await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)

    async def claim(self, run: Run) -> None:
        await self.claim_for(run, self.old_amounts(run))

    async def finish(self, run: Run) -> None:
        server = await self.server(run)
        state = server_state.ACTIVE if server.power_state == server_state.RUNNING else server_state.STOPPED
        old = run.params.old_flavor
        await self.end(run, vm_state=state, vcpus=old.vcpus, memory_mib=old.memory_mib)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.end_failed(run, error, vm_state=server_state.ERROR, fault=fault_of(error))
