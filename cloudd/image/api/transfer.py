"""Image files between the cloud's hosts: whoever holds a ticket fetches one file, or brings one."""

from typing import Any

from litestar import Request, Response
from litestar.response import Stream

from cloudd.image.api.image_file import answer_of, body_of, range_of
from cloudd.image.domain.ticket import Tickets
from cloudd.image.domain.upload import Uploads
from cloudd.kit.web import PUBLIC, route


@route("GET", "/transfers/{ticket:str}", rule=PUBLIC)
async def fetch_file(ticket: str, request: Request[Any, Any, Any], tickets: Tickets, uploads: Uploads) -> Stream:
    leave = tickets.open(ticket, "read", "peer")
    fetch = uploads.fetch if leave.act == "read" else uploads.fetch_here
    return answer_of(await fetch(leave.image_id, range_of(request)))


@route("PUT", "/transfers/{ticket:str}", rule=PUBLIC, status=204, request_max_body_size=None)
async def bring_file(ticket: str, request: Request[Any, Any, Any], tickets: Tickets, uploads: Uploads) -> Response[None]:
    leave = tickets.open(ticket, "write")
    body, length = body_of(request)
    try:
        await uploads.take_sent(leave.image_id, body, length)
    finally:
        # Taken or not: an answer in the midst of the body reaches nobody, for the sender is still sending.
        async for _ in body:
            pass
    return Response(None, status_code=204)
