"""Error conditions: declared once by the service that raises them, translated to an API's error shape in one place (kit.web)."""

from __future__ import annotations

from typing import Any, ClassVar

_registry: dict[str, type[Condition]] = {}


class Condition(Exception):
    """An expected failure, named by a stable code.

    A subclass declares ``code`` ("compute.server.not_found"), ``status`` (HTTP) and ``message``, a
    format string filled from the keyword arguments: ``raise ServerNotFound(server_id=server_id)``.
    """

    code: ClassVar[str] = "kit.internal"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "The request failed because of an internal error."
    #: Upstream's exception name where an API publishes one (neutron's "NeutronError.type").
    type_name: ClassVar[str] = ""
    #: Whether the same attempt may succeed later without anybody changing anything.
    retryable: ClassVar[bool] = False

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.text = self.message.format(**fields)
        super().__init__(self.text)

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:
            known = _registry.get(cls.code)
            if known is not None and known.__qualname__ != cls.__qualname__:
                raise TypeError(f"error code {cls.code} is declared twice: {known.__qualname__} and {cls.__qualname__}")
            _registry[cls.code] = cls

    @property
    def headers(self) -> dict[str, str]:
        """Extra response headers, such as Retry-After."""
        return {}


class BadRequest(Condition):
    code = "kit.bad_request"
    status = 400
    message = "{reason}"


class Unauthorized(Condition):
    code = "kit.unauthorized"
    status = 401
    message = "The request you have made requires authentication."


class Forbidden(Condition):
    code = "kit.forbidden"
    status = 403
    message = "Policy does not allow {rule} to be performed with the roles of this token."


class NotFound(Condition):
    code = "kit.not_found"
    status = 404
    message = "{what} could not be found."


class Conflict(Condition):
    code = "kit.conflict"
    status = 409
    message = "{reason}"


class Unreachable(Condition):
    """Nobody serves the topic, or the answer did not come in time: worth another try."""

    code = "kit.unreachable"
    status = 503
    message = "{topic} does not answer: {reason}"
    retryable = True


class RemoteFailure(Condition):
    """An agent failed in a way it did not name; ``reason`` is fit for an operator's eyes."""

    code = "kit.remote_failure"
    status = 500
    message = "{reason}"


def from_code(code: str, fields: dict[str, Any], text: str) -> Condition:
    """Rebuild a condition that travelled over the bus; an unknown code becomes RemoteFailure."""
    kind = _registry.get(code)
    if kind is None:
        return RemoteFailure(reason=text)
    try:
        return kind(**fields)
    except (KeyError, IndexError):
        return RemoteFailure(reason=text)


def all_conditions() -> dict[str, type[Condition]]:
    """Every declared condition by its code (for the documentation's test)."""
    return dict(_registry)
