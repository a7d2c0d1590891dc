"""Gives a server another flavor, another host, or both, to be confirmed or taken back."""

from typing import Any

import msgspec

from cloudd.compute.domain import server_state
from cloudd.compute.domain.scheduler import amounts
from cloudd.compute.domain.work import ResizeServerParams
from cloudd.compute.messages import BuildServer, DestroyServer, ListDomains, StopServer
from cloudd.compute.messages import ConfirmResize as ConfirmMessage
from cloudd.compute.messages import ResizeServer as ResizeMessage
from cloudd.compute.messages import RevertResize as RevertMessage
from cloudd.compute.sagas.moving import Moving
from cloudd.compute.sagas.server_saga import fault_of
from cloudd.compute.store.migration import FINISHED
from cloudd.compute.store.server import FlavorFacts, Server
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run


class _Resizing(Moving):
    params = ResizeServerParams

    async def claim_for(self, run: Run, resources: dict[str, int]) -> None:
        """Hold so much on the server's host, in place of what it held."""
        for provider_id in await self.placement.allocations_of(run.params.server_id):
            await self.placement.claim(run.params.server_id, provider_id, resources, run.params.project_id, run.params.user_id)

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

    async def build(self, host: str, server: Server, *, power_on: bool) -> None:
        """Define the server on a host that has its disks."""
        await self.ask(host, BuildServer(spec=await self.spec(server), power_on=power_on), timeout_seconds=self._patience)

    @property
    def _patience(self) -> float:
        return self.settings.build_timeout_seconds


class ResizeServer(_Resizing):
    """On its own host where there is room and nobody asks for another."""

    kind = "compute.resize_server"
    event = "compute_resize_instance"
    steps = ("claim", "set_rows", "carry", "connect", "resize", "finish")
    harmless = frozenset({"finish"})

    def _way(self, run: Run) -> tuple[str, str]:
        """Source and destination; the same where it stays."""
        chosen = run.results["claim"]
        return chosen["source"], chosen["destination"]

    async def claim(self, run: Run) -> dict[str, Any]:
        server = await self.server(run)
        source = server.host or ""
        has_moved = bool(run.params.migration_id) and bool(await self.placement.allocations_of(run.params.migration_id))
        if not run.params.must_move and not has_moved:
            old, new = self.old_amounts(run), self.new_amounts(run)
            try:
                await self.claim_for(run, {name: max(old.get(name, 0), new.get(name, 0)) for name in {*old, *new}})
            except Condition as error:
                if error.status >= 500 or not run.params.migration_id:
                    raise
            else:
                await self.note(run, destination_host=source, status="pre-migrating")
                return {"source": source, "destination": source}
        larger = msgspec.structs.replace(server, flavor=run.params.flavor)
        return {"source": source, "destination": await self.claim_elsewhere(run, larger, self.new_amounts(run), status="pre-migrating")}

    async def undo_claim(self, run: Run) -> None:
        if run.params.migration_id:
            await self.give_back(run)
        await self.claim_for(run, self.old_amounts(run))

    async def set_rows(self, run: Run) -> None:
        await self.set_flavor(run, run.params.flavor, run.params.old_flavor)

    async def undo_set_rows(self, run: Run) -> None:
        await self.set_flavor(run, run.params.old_flavor, None)
        await self.update(run, vcpus=run.params.old_flavor.vcpus, memory_mib=run.params.old_flavor.memory_mib)

    async def carry(self, run: Run) -> None:
        source, destination = self._way(run)
        if source == destination:
            return
        server = await self.server(run)
        await self.note(run, status="migrating")
        await self.update(run, task_state="resize_migrating")
        if run.params.vm_state == server_state.ACTIVE and await self._is_on(source, server.id):
            patience = self.settings.shutdown_timeout_seconds
            await self.ask(source, StopServer(server_id=server.id, timeout_seconds=patience), timeout_seconds=patience + 60)
        # Without a domain nothing can start it here; the disks stay until the user has decided.
        await self.ask(source, DestroyServer(server_id=server.id, keep_disks=True))
        await self.carry_disks(run, server, source, destination, copy=True)

    async def undo_carry(self, run: Run) -> None:
        source, destination = self._way(run)
        if source == destination:
            return
        await self.drop_disks(run, source, destination)
        before = msgspec.structs.replace(await self.server(run), flavor=run.params.old_flavor)
        await self.build(source, before, power_on=run.params.vm_state == server_state.ACTIVE)

    async def connect(self, run: Run) -> None:
        source, destination = self._way(run)
        if source != destination:
            await self.update(run, task_state="resize_migrated")
            await self.connect_to(await self.server(run), destination)

    async def undo_connect(self, run: Run) -> None:
        source, destination = self._way(run)
        if source != destination:
            await self.connect_to(await self.server(run), source)

    async def resize(self, run: Run) -> None:
        source, destination = self._way(run)
        server, power_on = await self.server(run), run.params.vm_state == server_state.ACTIVE
        if source != destination:
            await self.update(run, task_state="resize_finish")
            await self.build(destination, server, power_on=power_on)
            return
        message = ResizeMessage(spec=await self.spec(server), power_on=power_on)
        await self.ask(source, message, timeout_seconds=self._patience)

    async def undo_resize(self, run: Run) -> None:
        source, destination = self._way(run)
        server = await self.server(run)
        if source != destination:
            await self.ask(destination, DestroyServer(server_id=server.id))
            return
        before = msgspec.structs.replace(server, flavor=run.params.old_flavor)
        message = RevertMessage(spec=await self.spec(before), power_on=run.params.vm_state == server_state.ACTIVE)
        await self.ask(source, message, timeout_seconds=self._patience)

    async def finish(self, run: Run) -> None:
        _, destination = self._way(run)
        power = server_state.RUNNING if run.params.vm_state == server_state.ACTIVE else server_state.SHUTDOWN
        await self.note(run, status=FINISHED, has_landed=True)
        await self.end(run, vm_state=server_state.RESIZED, power_state=power, host=destination)

    async def failed(self, run: Run, error: Condition) -> None:
        old = run.params.old_flavor
        await self.note(run, status="error")
        await self.end_failed(run, error, vcpus=old.vcpus, memory_mib=old.memory_mib, fault=fault_of(error))

    async def _is_on(self, host: str, server_id: str) -> bool:
        return server_id in {domain.server_id for domain in await self.ask(host, ListDomains())}


class _Deciding(_Resizing):
    """Goes forward only: what the user has decided is done."""

    async def source_of(self, run: Run, server: Server) -> str | None:
        """The host that the server came from; None where it stayed on its own."""
        source: str = run.params.source_host
        return source if source and source != server.host else None

    async def failed(self, run: Run, error: Condition) -> None:
        await self.end_failed(run, error, vm_state=server_state.ERROR, fault=fault_of(error))


class ConfirmResize(_Deciding):
    kind = "compute.confirm_resize"
    event = "compute_confirm_resize"
    steps = ("drop_old", "claim", "finish")
    harmless = frozenset(steps)

    async def drop_old(self, run: Run) -> None:
        server = await self.server(run)
        await self.note(run, status="confirming")
        if source := await self.source_of(run, server):
            await self.clean(source, server.id)
        else:
            await self.ask(server.host, ConfirmMessage(server_id=server.id))

    async def claim(self, run: Run) -> None:
        if run.params.migration_id:
            await self.placement.release(run.params.migration_id)
        await self.claim_for(run, self.new_amounts(run))

    async def finish(self, run: Run) -> None:
        server = await self.server(run)
        state = server_state.ACTIVE if server.power_state == server_state.RUNNING else server_state.STOPPED
        new = run.params.flavor
        await self.note(run, status="confirmed")
        await self.end(run, vm_state=state, old_flavor=None, vcpus=new.vcpus, memory_mib=new.memory_mib)


class RevertResize(_Deciding):
    kind = "compute.revert_resize"
    event = "compute_revert_resize"
    steps = ("set_rows", "leave", "connect", "revert", "claim", "finish")
    harmless = frozenset(steps)

    async def set_rows(self, run: Run) -> None:
        await self.note(run, status="reverting")
        await self.set_flavor(run, run.params.old_flavor, None)

    async def leave(self, run: Run) -> None:
        server = await self.server(run)
        if await self.source_of(run, server):
            await self.ask(server.host, DestroyServer(server_id=server.id))

    async def connect(self, run: Run) -> None:
        server = await self.server(run)
        if source := await self.source_of(run, server):
            await self.connect_to(server, source)

    async def revert(self, run: Run) -> None:
        server = await self.server(run)
        power_on = server.power_state == server_state.RUNNING
        if source := await self.source_of(run, server):
            await self.build(source, server, power_on=power_on)
        else:
            await self.ask(server.host, RevertMessage(spec=await self.spec(server), power_on=power_on), timeout_seconds=self._patience)

    async def claim(self, run: Run) -> None:
        if run.params.migration_id:
            await self.give_back(run)
        await self.claim_for(run, self.old_amounts(run))

    async def finish(self, run: Run) -> None:
        server = await self.server(run)
        state = server_state.ACTIVE if server.power_state == server_state.RUNNING else server_state.STOPPED
        old = run.params.old_flavor
        await self.note(run, status="reverted")
        host = await self.source_of(run, server) or server.host
        await self.end(run, vm_state=state, vcpus=old.vcpus, memory_mib=old.memory_mib, host=host)
