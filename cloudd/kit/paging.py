"""Lists as OpenStack's clients page through them: limit, marker, sort."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlencode

import msgspec

from cloudd.kit.errors import BadRequest


class Page(msgspec.Struct):
    """One page asked for. ``limit`` rows after the row whose id is ``marker``, in order of ``sort``."""

    limit: int = 1000
    marker: str | None = None
    #: (column, descending); the id is always appended so that the order is total
    sort: list[tuple[str, bool]] = []


class MarkerNotFound(BadRequest):
    code = "kit.marker_not_found"
    message = "The marker {marker} could not be found."


def parse_page(
    query: Mapping[str, str],
    sortable: Mapping[str, str] | Collection[str],
    default_sort: list[tuple[str, bool]],
    max_limit: int = 1000,
) -> Page:
    """Read ``limit``, ``marker`` and the three spellings of sorting (sort_key + sort_dir, sort=key:dir) from a query.

    ``sortable`` names the keys a client may sort by (a mapping gives their columns). Raises BadRequest.
    """
    columns = sortable if isinstance(sortable, Mapping) else {key: key for key in sortable}
    limit = _limit(query.get("limit"), max_limit)
    sort: list[tuple[str, bool]] = []
    pairs = [part.partition(":")[::2] for part in query.get("sort", "").split(",") if part]
    keys, directions = _all(query, "sort_key"), _all(query, "sort_dir")
    pairs += [(key, directions[i] if i < len(directions) else directions[-1] if directions else "") for i, key in enumerate(keys)]
    for key, direction in pairs:
        if key not in columns:
            raise BadRequest(reason=f"Invalid sort key {key!r}; valid are {', '.join(sorted(columns))}.")
        if direction not in ("", "asc", "desc"):
            raise BadRequest(reason=f"Invalid sort direction {direction!r}; valid are asc and desc.")
        # Without a direction upstream sorts descending where it names one key only (sort=key, compute and volume).
        sort.append((columns[key], direction == "desc"))
    return Page(limit, query.get("marker") or None, sort or list(default_sort))


def next_link(url: str, query: Mapping[str, str], marker: str) -> str:
    """The URL of the page after ``marker``: the same query with the marker replaced."""
    items = query.multi_items() if hasattr(query, "multi_items") else list(query.items())
    kept = [(key, value) for key, value in items if key != "marker"]
    return f"{url}?{urlencode([*kept, ('marker', marker)])}"


def _limit(text: str | None, maximum: int) -> int:
    if text is None or text == "":
        return maximum
    try:
        limit = int(text)
    except ValueError:
        raise BadRequest(reason=f"limit must be a whole number, not {text!r}.") from None
    if limit < 0:
        raise BadRequest(reason=f"limit must not be negative, not {limit}.")
    return min(limit, maximum) or maximum


def _all(query: Mapping[str, str], key: str) -> list[str]:
    if hasattr(query, "getall"):
        return list(query.getall(key, []))
    return [query[key]] if key in query else []
