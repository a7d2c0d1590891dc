"""A small HTTP server for guests: each request goes over the bus to compute, which knows who asks."""

import asyncio
import http
import logging
import socket
from typing import Any

import h11

from cloudd.kit.bus import Bus
from cloudd.kit.errors import Condition
from cloudd.network.messages import METADATA, MetadataReply, MetadataRequest

log = logging.getLogger(__name__)

READ_BYTES = 65536
MAX_BODY_BYTES = 65536
IDLE_SECONDS = 30.0
ANSWER_SECONDS = 30.0
#: The only headers that matter to the metadata service.
KEPT_HEADERS = ("x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds", "x-metadata-token", "user-agent")


class Forwarder:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def serve(self, listener: socket.socket, network_id: str) -> asyncio.Server:
        """Serve a network's listener until the server is closed."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._talk(reader, writer, network_id)
            except (OSError, TimeoutError, h11.ProtocolError) as error:
                log.debug("a guest of network %s went away: %s", network_id, error)
            finally:
                writer.close()

        return await asyncio.start_server(connected, sock=listener)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, network_id: str) -> None:
        guest = writer.get_extra_info("peername")[0]
        connection = h11.Connection(h11.SERVER)
        while True:
            try:
                asked = await _request(connection, reader)
            except h11.RemoteProtocolError as error:
                await _answer(connection, writer, MetadataReply(status=error.error_status_hint, body=b"Bad request\n"), "GET")
                return
            if asked is None:
                return
            request, body = asked
            await _answer(connection, writer, await self._reply(request, body, guest, network_id), request.method.decode())
            if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _reply(self, request: h11.Request, body: bytes, guest: str, network_id: str) -> MetadataReply:
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers if name.decode() in KEPT_HEADERS}
        message = MetadataRequest(
            network_id=network_id,
            address=guest,
            method=request.method.decode(),
            path=request.target.decode("latin-1"),
            headers=headers,
            body=body,
        )
        try:
            reply: MetadataReply = await self._bus.call(METADATA, message, timeout_seconds=ANSWER_SECONDS)
        except Condition as error:
            log.warning("metadata for %s in network %s: %s", guest, network_id, error.text)
            # 503 makes cloud-init ask again; a condition with its own status (404) is the answer.
            return MetadataReply(status=error.status if error.status < 500 else 503, body=b"")
        return reply


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """The next request with its body; None when the guest has gone."""
    request: h11.Request | None = None
    body = b""
    while True:
        event: Any = connection.next_event()
        if event is h11.NEED_DATA:
            async with asyncio.timeout(IDLE_SECONDS):
                received = await reader.read(READ_BYTES)
            connection.receive_data(received)
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, body
        else:
            return None


async def _answer(connection: h11.Connection, writer: asyncio.StreamWriter, reply: MetadataReply, method: str) -> None:
    headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body)))]
    reason = http.HTTPStatus(reply.status).phrase if reply.status in http.HTTPStatus._value2member_map_ else ""
    writer.write(connection.send(h11.Response(status_code=reply.status, headers=headers, reason=reason.encode())) or b"")
    if reply.body and method != "HEAD":
        writer.write(connection.send(h11.Data(data=reply.body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    async with asyncio.timeout(IDLE_SECONDS):
        await writer.drain()
