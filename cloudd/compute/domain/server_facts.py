"""The facts that a server's guest may know, gathered from the rows and the network."""

import base64
import secrets

from cloudd.compute.domain.server_network import ServerNetwork
from cloudd.compute.metadata.answer import answer, is_password
from cloudd.compute.metadata.facts import AddressFacts, NicFacts, ServerFacts
from cloudd.compute.store.block_device import BlockDeviceStore
from cloudd.compute.store.interface import InterfaceStore
from cloudd.compute.store.server import Server, ServerStore
from cloudd.kit.service import Cloud
from cloudd.network.messages import MetadataReply, MetadataRequest

_MOST_PASSWORD_CHARACTERS = 1020


class ServerFactsSource:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.servers = ServerStore()
        self.interfaces = InterfaceStore()
        self.devices = BlockDeviceStore()
        self.network = ServerNetwork(cloud)

    async def answer(self, request: MetadataRequest) -> MetadataReply:
        """What the guest behind an address gets for a path."""
        port = await self.network.network.port_at(request.network_id, request.address)
        if port is None:
            return MetadataReply(status=404, body=b"No server has this address.\n")
        async with self.cloud.db.read() as tx:
            interface = await self.interfaces.get(tx, port.port_id)
            server = await self.servers.alive(tx, interface.server_id) if interface else None
        if server is None:
            return MetadataReply(status=404, body=b"No server has this address.\n")
        if is_password(request.path):
            return await self._password(server, request)
        body = answer(await self.of(server), request.path)
        if body is None:
            return MetadataReply(status=404, body=b"Nothing is here.\n")
        is_json = request.path.split("?", 1)[0].rstrip("/").endswith(".json")
        return MetadataReply(status=200, body=body, content_type="application/json" if is_json else "text/plain; charset=UTF-8")

    async def _password(self, server: Server, request: MetadataRequest) -> MetadataReply:
        """A guest deposits its password, encrypted for its owner's key, once; a cleared one it may set anew."""
        if request.method != "POST":
            return MetadataReply(status=200, body=(server.sealed_password or "").encode())
        text = request.body.decode(errors="replace")
        if len(text) > _MOST_PASSWORD_CHARACTERS:
            return MetadataReply(status=400, body=f"A password has at most {_MOST_PASSWORD_CHARACTERS} characters.\n".encode())
        async with self.cloud.db.write() as tx:
            is_set = await self.servers.update(tx, server.id, self.servers.table.c.sealed_password.is_(None), sealed_password=text)
        return MetadataReply(status=200 if is_set else 409)

    async def of(self, server: Server, *, for_drive: bool = False) -> ServerFacts:
        """All facts of one server; the password goes onto a drive only, which nobody else can read."""
        async with self.cloud.db.read() as tx:
            interfaces = {row.id: row for row in (await self.interfaces.of(tx, [server.id]))[server.id]}
            devices = (await self.devices.of(tx, [server.id]))[server.id]
        ports = (await self.network.views([server.id])).get(server.id, [])
        tagged = [
            {
                "type": "disk",
                "bus": device.bus,
                "serial": (device.volume_id or device.name)[:20],
                "path": f"/dev/{device.device}",
                "tags": [device.tag],
            }
            for device in devices
            if device.tag
        ]
        tagged += [{"type": "nic", "bus": "pci", "mac": row.mac_address, "tags": [row.tag]} for row in interfaces.values() if row.tag]
        return ServerFacts(
            server_id=server.id,
            name=server.name,
            hostname=server.hostname,
            project_id=server.project_id,
            availability_zone=server.availability_zone or "nova",
            launch_index=server.launch_index,
            reservation_id=server.reservation_id,
            instance_type=server.flavor.name,
            image_id=server.image_id or "",
            key_name=server.key_name or "",
            public_key=(server.public_key or "").strip() if server.key_type != "x509" else "",
            metadata=server.metadata,
            user_data=server.user_data or "",
            admin_password=(server.admin_password or "") if for_drive else "",
            random_seed=base64.b64encode(secrets.token_bytes(512)).decode() if for_drive else "",
            security_groups=server.security_groups,
            nics=[
                NicFacts(
                    port_id=port.port_id,
                    network_id=port.network_id,
                    network_name=port.network_name,
                    mac_address=port.mac_address,
                    mtu=port.mtu,
                    addresses=[
                        AddressFacts(
                            address=fixed.ip_address,
                            version=fixed.ip_version,
                            prefix_length=fixed.prefix_length,
                            gateway=fixed.gateway_ip or "",
                            name_servers=fixed.dns_nameservers,
                            dhcp=fixed.enable_dhcp,
                        )
                        for fixed in port.fixed_ips
                    ],
                    floating_addresses=list(port.floating_ips.values()),
                )
                for port in ports
            ],
            devices=tagged,
        )
