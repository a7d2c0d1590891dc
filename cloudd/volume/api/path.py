"""Routes of the volume API, each with and without the project in its path (optional since microversion 3.67)."""

from collections.abc import Callable
from typing import Any

from litestar import Response
from litestar.handlers import HTTPRouteHandler

from cloudd.kit.auth import Context
from cloudd.kit.errors import NotFound
from cloudd.kit.web import route


def on(method: str, path: str, *, rule: str, status: int = 200, **options: Any) -> Callable[..., HTTPRouteHandler]:
    """`on("GET", "/volumes", …)` serves /v3/volumes and /v3/{project_id}/volumes; the rule compares the project with the token's."""
    paths: Any = [f"/v3{path}", f"/v3/{{project_id:str}}{path}"]
    return route(method, paths, rule=rule, status=status, **options)


def since(ctx: Context, minor: int) -> None:
    """The route exists from microversion 3.<minor> on."""
    if ctx.version < (3, minor):
        raise NotFound(what="The resource")


def nothing(status: int) -> Response[bytes]:
    """An answer without a body."""
    return Response(b"", status_code=status, media_type="application/json")
