"""Keeps the fake cloud's resources of one kind, and lets each change settle only when it is looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openstack import exceptions


class Shelf:
    """Resources of one SDK class by id, held as plain attributes and handed out as fresh objects."""

    def __init__(self, resource_class: type[Any]) -> None:
        self.resource_class = resource_class
        self.kept: dict[str, dict[str, Any]] = {}
        self.coming: dict[str, dict[str, Any] | None] = {}
        self.seen: set[str] = set()

    def put(self, resource_id: str, **attributes: Any) -> Any:
        """Keep a resource and return it."""
        self.kept[resource_id] = {"id": resource_id, **attributes}
        return self.fresh(resource_id)

    def later(self, resource_id: str, **attributes: Any) -> None:
        """Change a resource when it is looked at for the second time."""
        self.coming[resource_id] = attributes
        self.seen.discard(resource_id)

    def vanish_later(self, resource_id: str) -> None:
        """Remove a resource when it is looked at for the second time."""
        self.coming[resource_id] = None
        self.seen.discard(resource_id)

    def get(self, resource_id: Any) -> Any:
        """Return the resource of that id, or of that resource; raise the SDK's not-found error."""
        key = getattr(resource_id, "id", resource_id)
        self._settle(key)
        if key not in self.kept:
            raise exceptions.NotFoundException(f"No {self.resource_class.__name__} found for {key}")
        return self.fresh(key)

    def find(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        """Return the one of that name or id, None, or raise the SDK's error for several."""
        named = [key for key, attributes in self.kept.items() if name_or_id in (key, attributes.get("name"))]
        if len(named) > 1:
            raise exceptions.DuplicateResource(f"More than one {self.resource_class.__name__} exists with the name '{name_or_id}'.")
        if not named:
            if ignore_missing:
                return None
            raise exceptions.NotFoundException(f"No {self.resource_class.__name__} found for {name_or_id}")
        return self.fresh(named[0])

    def all(self) -> Iterator[Any]:
        """Return every resource."""
        return (self.fresh(key) for key in list(self.kept))

    def fresh(self, key: str) -> Any:
        """Return a new object of the SDK's class with the attributes as they are now."""
        return self.resource_class.existing(**self.kept[key])

    def _settle(self, key: str) -> None:
        if key not in self.coming:
            return
        if key not in self.seen:
            self.seen.add(key)
            return
        coming = self.coming.pop(key)
        if coming is None:
            self.kept.pop(key, None)
        else:
            self.kept[key].update(coming)
