"""What compute's routes have in common: links, names, and how bodies and versions are checked."""

from collections.abc import Collection, Iterable
from typing import Annotated, Any, TypeVar

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Forbidden, NotFound
from cloudd.kit.settings import ApiSettings

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"\S")]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Value = Annotated[str, msgspec.Meta(max_length=255)]
Metadata = dict[Key, Value]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[^,/]*$")]
# A whole number that clients also write as text.
Count = int | Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,9}$")]
#: what clients write for a truth value
Truth = bool | str
_TRUE = {"true", "1", "t", "yes", "y", "on"}
_FALSE = {"false", "0", "f", "no", "n", "off", ""}
Kind = TypeVar("Kind")


class Links:
    """Where the service's resources are, as clients see them."""

    def __init__(self, settings: ApiSettings) -> None:
        self.base = f"{settings.public_url.rstrip('/')}/compute"
        self.image = f"{settings.public_url.rstrip('/')}/image"

    def of(self, collection: str, key: str) -> list[dict[str, str]]:
        """The links self and bookmark of a resource."""
        return [{"rel": "self", "href": self.url(collection, key)}, {"rel": "bookmark", "href": f"{self.base}/{collection}/{key}"}]

    def bookmark(self, collection: str, key: str) -> list[dict[str, str]]:
        """Only the link that carries no version."""
        return [{"rel": "bookmark", "href": f"{self.base}/{collection}/{key}"}]

    def url(self, *parts: str) -> str:
        """An address below /v2.1."""
        return "/".join([self.base, "v2.1", *parts])


def truth(value: Truth | None, name: str) -> bool:
    """A truth value however it is written; None is false. BadRequest."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise BadRequest(reason=f"Invalid input for field/attribute {name}. Value: {value}. It must be true or false.")


def read(kind: type[Kind], value: Any) -> Kind:
    """A part of a body as its type. BadRequest."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(reason=f"Invalid input: {error}") from None


def since(ctx: Context, minor: int) -> None:
    """The route exists from microversion 2.<minor> on."""
    if ctx.version < (2, minor):
        raise NotFound(what="The resource")


def until(ctx: Context, minor: int) -> None:
    """The route exists up to microversion 2.<minor>."""
    if ctx.version > (2, minor):
        raise NotFound(what="The resource")


def admin(ctx: Context, rule: str) -> None:
    """Forbidden for anybody but an administrator."""
    if not ctx.is_admin:
        raise Forbidden(rule=rule)


def refuse_unknown(query: Iterable[str], known: Collection[str]) -> None:
    """BadRequest where a query has a parameter that its microversion does not know."""
    if unknown := sorted({*query} - {*known}):
        raise BadRequest(reason=f"Additional properties are not allowed ({', '.join(map(repr, unknown))} was unexpected)")


def field_since(ctx: Context, minor: int, body: msgspec.Struct, *names: str) -> None:
    """BadRequest where a body has a field that its microversion does not know."""
    if ctx.version >= (2, minor):
        return
    defaults = {field.name: field for field in msgspec.structs.fields(body)}
    for name in names:
        if getattr(body, name) is not msgspec.UNSET and getattr(body, name) != defaults[name].default:
            wire = defaults[name].encode_name
            raise BadRequest(reason=f"Additional properties are not allowed ('{wire}' was unexpected); it needs microversion 2.{minor}.")
