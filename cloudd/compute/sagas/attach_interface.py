"""Plugs a NIC into a server."""

from cloudd.compute.domain.build_spec import interface_spec
from cloudd.compute.domain.work import InterfaceParams
from cloudd.compute.messages import AttachInterface as AttachMessage
from cloudd.compute.messages import DetachInterface as DetachMessage
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.compute.store.interface import Interface
from cloudd.kit.errors import Condition, NotFound
from cloudd.kit.saga import Run


class AttachInterface(ServerSaga):
    kind = "compute.attach_interface"
    params = InterfaceParams
    event = "compute_attach_interface"
    steps = ("make_port", "plug", "finish")
    harmless = frozenset({"finish"})

    async def interface(self, run: Run) -> Interface:
        """The NIC's row. NotFound once it is gone."""
        async with self.db.read() as tx:
            interface = await self.interfaces.get(tx, run.params.port_id)
        if interface is None:
            raise NotFound(what=f"Interface {run.params.port_id}")
        return interface

    async def make_port(self, run: Run) -> None:
        server = await self.server(run)
        await self.network.make(await self.interface(run), server, server.host or "")

    async def undo_make_port(self, run: Run) -> None:
        await self.network.remove(await self.interface(run))

    async def plug(self, run: Run) -> None:
        server, interface = await self.server(run), await self.interface(run)
        view = await self.network.bind(interface, server, server.host or "")
        nic = interface_spec(interface, server.image_properties, mtu=view.mtu, vif_type=view.vif.type, bridge=view.vif.bridge)
        await self.ask(server.host, AttachMessage(server_id=server.id, interface=nic))

    async def undo_plug(self, run: Run) -> None:
        server, interface = await self.server(run), await self.interface(run)
        message = DetachMessage(server_id=server.id, port_id=interface.id, mac_address=interface.mac_address)
        await self.ask(server.host, message)

    async def finish(self, run: Run) -> None:
        await self.end(run)

    async def failed(self, run: Run, error: Condition) -> None:
        async with self.db.write() as tx:
            await self.interfaces.delete(tx, run.params.port_id)
        await self.end_failed(run, error)
