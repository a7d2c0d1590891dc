"""What every answer of placement has in common: version gates and cache headers."""

from datetime import datetime
from email.utils import format_datetime
from typing import Any

from litestar import Response

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.errors import NotFound


def since(ctx: Context, minor: int) -> None:
    """The route exists from microversion 1.<minor> on."""
    if ctx.version < (1, minor):
        raise NotFound(what="The resource")


def answer(
    ctx: Context, body: Any, *, modified: datetime | None = None, status: int = 200, headers: dict[str, str] | None = None
) -> Response[Any]:
    cache: dict[str, str] = {}
    if ctx.version >= (1, 15) and body is not None:
        cache = {"Last-Modified": format_datetime(modified or now(), usegmt=True), "Cache-Control": "no-cache"}
    return Response(
        content=b"" if body is None else body, status_code=status, headers={**cache, **(headers or {})}, media_type="application/json"
    )
