"""Unplugs a NIC from a server."""

from cloudd.compute.domain.work import InterfaceParams
from cloudd.compute.messages import DetachInterface as DetachMessage
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.kit.saga import Run


class DetachInterface(ServerSaga):
    """Goes forward only: when the guest holds on, the NIC stays and the user may ask again."""

    kind = "compute.detach_interface"
    params = InterfaceParams
    event = "compute_detach_interface"
    steps = ("unplug", "remove_port", "finish")
    harmless = frozenset(steps)

    async def unplug(self, run: Run) -> None:
        server = await self.server(run)
        async with self.db.read() as tx:
            interface = await self.interfaces.get(tx, run.params.port_id)
        if interface is not None and server.host is not None:
            message = DetachMessage(server_id=server.id, port_id=interface.id, mac_address=interface.mac_address)
            await self.ask(server.host, message)

    async def remove_port(self, run: Run) -> None:
        async with self.db.read() as tx:
            interface = await self.interfaces.get(tx, run.params.port_id)
        if interface is not None:
            await self.network.remove(interface)

    async def finish(self, run: Run) -> None:
        async with self.db.write() as tx:
            await self.interfaces.delete(tx, run.params.port_id)
        await self.end(run)
