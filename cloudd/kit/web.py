"""HTTP: a Litestar application for each service, with token, policy rule, microversion and error shape handled in one place."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import cache, cached_property, wraps
from types import ModuleType
from typing import Any, cast

import litestar
import msgspec
from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import Message, Receive, Scope, Send
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from cloudd.kit import log as kit_log
from cloudd.kit.auth import Authenticator, Context, new_request_id
from cloudd.kit.errors import BadRequest, Condition, NotFound, Unauthorized
from cloudd.kit.microversion import Microversions
from cloudd.kit.policy import Policy
from cloudd.kit.retry import is_deadlock, is_refused_value, is_unavailable, retried

log = logging.getLogger(__name__)

#: A route's rule when nobody needs a token (version documents, token issue).
PUBLIC = "public"

ErrorBody = Callable[[Condition, str], Any]


def route(method: str, path: str, *, rule: str, status: int = 200, **options: Any) -> Callable[..., HTTPRouteHandler]:
    """A route of a service: ``@route("GET", "/servers/{server_id:str}", rule="compute:servers:show")``.

    The handler takes what Litestar injects by name: ``ctx`` (Context), ``data`` (the decoded body, a
    msgspec.Struct), path and query parameters by annotation, ``request``, and the service's own dependencies.
    """
    options.setdefault("opt", {})["rule"] = rule
    decorator = getattr(litestar, method.lower())(path, status_code=status, **options)

    def decorate(handler: Callable[..., Awaitable[Any]]) -> HTTPRouteHandler:
        @wraps(handler)
        async def handle(*values: Any, **arguments: Any) -> Any:
            return await retried(lambda: handler(*values, **arguments), idempotent=method in ("GET", "HEAD"))

        return decorator(handle)  # type: ignore[no-any-return]

    return decorate


def routes_of(*modules: ModuleType) -> list[HTTPRouteHandler]:
    """Every route that these modules define, in order of definition."""
    return [value for module in modules for value in vars(module).values() if isinstance(value, HTTPRouteHandler)]


class ServiceApp:
    """One service's ASGI application, mounted by Dispatcher at ``/<name>``."""

    def __init__(
        self,
        name: str,
        routes: Iterable[HTTPRouteHandler],
        *,
        title: str,
        error_body: ErrorBody,
        policy: Policy,
        authenticator: Authenticator,
        versions: Microversions | None = None,
        older_paths: Mapping[str, str] | None = None,
        request_id_headers: Iterable[str] = (),
        trailing_slash: bool = False,
        dependencies: Mapping[str, Any] | None = None,
        max_body_bytes: int = 10 * 1024 * 1024,
    ) -> None:
        self.name = name
        self.routes = list(routes)
        self.error_body = error_body
        self.policy = policy
        self.authenticator = authenticator
        self.versions = versions
        self.older_paths = dict(older_paths or {})
        self.request_id_headers = ("x-openstack-request-id", *request_id_headers)
        self.trailing_slash = trailing_slash
        self.title = title
        self.dependencies = dict(dependencies or {})
        self.max_body_bytes = max_body_bytes

    @cached_property
    def app(self) -> Litestar:
        """The framework's application, built when it is first needed: its 100 ms would be felt by every command."""
        return _application(self.title, tuple(self.routes), frozenset(self.dependencies), self.max_body_bytes)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        request_id = new_request_id()
        kit_log.request_id.set(request_id)
        answer = dict.fromkeys(self.request_id_headers, request_id)
        send = _adding(answer, send)
        _serving.set(self)
        scope.setdefault("state", {})
        try:
            ctx = Context(request_id)
            if token := headers.get("x-auth-token"):
                ctx = await self._authenticate(token, request_id)
            scope, is_older = self._of_today(scope)
            if self.versions is not None:
                version = self.versions.minimum if is_older else self.versions.negotiate(headers)
                answer.update(self.versions.answer_headers(version))
                ctx = msgspec.structs.replace(ctx, version=version)
            scope["state"]["ctx"] = ctx
            # An empty id ("/v2/images/") is an absent resource, not the collection.
            if not self.trailing_slash and scope["path"].count("/") > 2 and scope["path"].endswith("/"):
                raise NotFound(what="The resource")
        except Exception as error:
            # Only these may be answered before the router runs; ctx stays without a user.
            scope["state"].setdefault("ctx", Context(request_id))
            response = self.render(error, request_id)
            await response.to_asgi_response(self.app, Request(scope, receive, send))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _of_today(self, scope: Scope) -> tuple[Scope, bool]:
        """The request under the path that serves it now, and whether it came by an older API's."""
        path = scope["path"]
        for older, newer in self.older_paths.items():
            if path.startswith(older) and len(path) > len(older):
                path = newer + path.removeprefix(older)
                return cast("Scope", {**scope, "path": path, "raw_path": path.encode()}), True
        return scope, False

    async def _authenticate(self, token: str, request_id: str) -> Context:
        try:
            return await retried(lambda: self.authenticator.authenticate(token, request_id), idempotent=True)
        except Unauthorized:
            # A stale token on a public route (a version document, a new log-in) is no obstacle.
            return Context(request_id)

    def admit(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Refuse who may not use this route."""
        rule = handler.opt.get("rule")
        if rule is None:
            if connection.scope["path"].startswith("/openapi"):
                return
            raise LookupError(f"route {handler} has no policy rule")
        if rule == PUBLIC:
            return
        ctx: Context = connection.scope["state"]["ctx"]
        if not ctx.is_authenticated:
            raise Unauthorized
        self.policy.enforce(rule, ctx, {"project_id": ctx.project_id, **connection.path_params})

    def render(self, error: Exception, request_id: str) -> Response[Any]:
        """The answer to a request that failed."""
        condition = as_condition(error, request_id)
        headers = {**condition.headers, **({"WWW-Authenticate": 'Keystone uri="/identity/v3"'} if condition.status == 401 else {})}
        return Response(
            self.error_body(condition, request_id), status_code=condition.status, headers=headers, media_type="application/json"
        )


class InternalError(Condition):
    code = "kit.internal_error"
    status = 500
    message = "An unexpected error prevented the server from fulfilling your request. Its log has the cause under {request_id}."


class DatabaseUnavailable(Condition):
    """After the retries: no database, or others were always quicker."""

    code = "kit.database_unavailable"
    status = 503
    message = "The database could not finish the request now; try again. The log has the cause under {request_id}."
    retryable = True

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class HttpError(Condition):
    """What the framework refused: a malformed body, an unknown path, a wrong method."""

    code = "kit.http"
    message = "{reason}"

    def __init__(self, *, status_code: int, reason: str) -> None:
        super().__init__(status_code=status_code, reason=reason)
        self.status = status_code  # type: ignore[misc]


def as_condition(error: Exception, request_id: str) -> Condition:
    """Any exception as the condition that the client is told; what nobody expected is logged whole."""
    if isinstance(error, Condition):
        if error.status >= 500:
            log.warning("%s: %s", error.code, error.text)
        return error
    if isinstance(error, HTTPException) and error.status_code < 500:
        reason = error.detail
        if isinstance(error.extra, list) and error.extra:
            reason = "; ".join(f"{e.get('key', 'body')}: {e.get('message')}" for e in error.extra if isinstance(e, dict))
        elif error.__cause__ is not None and error.status_code == 400:
            reason = str(error.__cause__)
        if error.status_code == 404:
            return NotFound(what="The resource")
        return BadRequest(reason=reason) if error.status_code == 400 else HttpError(status_code=error.status_code, reason=reason)
    if isinstance(error, PoolExhausted) or (isinstance(error, DBAPIError) and (is_deadlock(error) or is_unavailable(error))):
        log.warning("the database: %s", error)
        return DatabaseUnavailable(request_id=request_id)
    if isinstance(error, DBAPIError) and is_refused_value(error):
        return BadRequest(reason=f"A value cannot be kept or used: {getattr(error.orig, 'args', ('', ''))[-1]}")
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return InternalError(request_id=request_id)


class Dispatcher:
    """The cloud's one address: hands ``/<service>/…`` to that service's application."""

    def __init__(self, apps: Mapping[str, ServiceApp]) -> None:
        self.apps = dict(apps)

    def warm_up(self) -> None:
        """Build every application now rather than at its first request."""
        for app in self.apps.values():
            _ = app.app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        name, _, rest = scope["path"].removeprefix("/").partition("/")
        app = self.apps.get(name)
        if app is None:
            await _plain(send, 404, {"error": {"code": 404, "title": "Not Found", "message": "No service has this path."}})
            return
        # No root_path: Litestar cuts the path at its first occurrence, and "/v2/images" holds "/image".
        await app({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}, receive, send)


def _without_null(response: Response[Any]) -> Response[Any]:
    """An answer without content has no body, where JSON would write "null"."""
    if response.content is None and response.status_code not in (204, 304):
        response.content = b""
    return response


#: whose request this is
_serving: ContextVar[ServiceApp] = ContextVar("_serving")


@cache
def _application(title: str, routes: tuple[HTTPRouteHandler, ...], dependencies: frozenset[str], max_body_bytes: int) -> Litestar:
    """The framework's application for these routes. It is no cloud's own, for ``_serving`` says which ServiceApp a request came to:
    built once, it serves every cloud of a process, and the tests have hundreds."""
    provided = {name: Provide(_dependency(name), sync_to_thread=False) for name in dependencies}
    return Litestar(
        route_handlers=routes,
        guards=[_admit],
        dependencies={"ctx": Provide(_context, sync_to_thread=False), **provided},
        exception_handlers={Exception: _failed},
        after_request=_without_null,
        openapi_config=OpenAPIConfig(title=title, version="1", path="/openapi", render_plugins=[JsonRenderPlugin()]),
        request_max_body_size=max_body_bytes,
        signature_types=[Context],
        logging_config=None,
    )


def _admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    _serving.get().admit(connection, handler)


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    return _serving.get().render(error, request.scope["state"]["ctx"].request_id)


def _dependency(name: str) -> Callable[[], Any]:
    def provide() -> Any:
        return _serving.get().dependencies[name]

    return provide


def _context(scope: Scope) -> Context:
    return scope["state"]["ctx"]  # type: ignore[no-any-return]


def _adding(headers: dict[str, str], send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *((key.encode(), value.encode()) for key, value in headers.items())]
        await send(message)

    return send_with_headers


async def _plain(send: Send, status: int, body: Any) -> None:
    data = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data, "more_body": False})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
