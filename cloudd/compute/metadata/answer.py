"""Answers one request for metadata: a path to the bytes a guest gets, or None where there is nothing."""

import base64
from typing import Any

from cloudd.compute.metadata.facts import EC2_VERSIONS, OPENSTACK_VERSIONS, ServerFacts, ec2_metadata, openstack_files


def answer(facts: ServerFacts, path: str) -> bytes | None:
    """What stands at `path` ("/latest/meta-data/hostname"); directories list their names, one a line."""
    parts = [part for part in path.split("?", 1)[0].split("/") if part]
    if not parts:
        return _lines([*EC2_VERSIONS[:-1], "latest"])
    if parts[0] == "openstack":
        return _openstack(facts, parts[1:])
    if parts[0] in EC2_VERSIONS:
        return _ec2(facts, parts[1:])
    return None


def is_password(path: str) -> bool:
    """Whether a path ("/openstack/latest/password") is where the guest deposits its password."""
    parts = [part for part in path.split("?", 1)[0].split("/") if part]
    return len(parts) == 3 and parts[0] == "openstack" and parts[1] in OPENSTACK_VERSIONS and parts[2] == "password"


def _openstack(facts: ServerFacts, parts: list[str]) -> bytes | None:
    if not parts:
        return _lines(OPENSTACK_VERSIONS)
    if parts[0] not in OPENSTACK_VERSIONS or len(parts) > 2:
        return None
    files = openstack_files(facts)
    if len(parts) == 1:
        return _lines(sorted([*files, "password"]))
    return files.get(parts[1])


def _ec2(facts: ServerFacts, parts: list[str]) -> bytes | None:
    if not parts:
        return _lines(["meta-data/", *(["user-data"] if facts.user_data else [])])
    if parts == ["user-data"]:
        return base64.b64decode(facts.user_data) if facts.user_data else None
    if parts[0] != "meta-data":
        return None
    node: Any = ec2_metadata(facts)
    for part in parts[1:]:
        # "0=name" is how the directory of keys lists key 0.
        node = node.get(part.split("=", 1)[0]) if isinstance(node, dict) else None
        if node is None or part.startswith("_"):
            return None
    return _directory(node) if isinstance(node, dict) else _lines(node) if isinstance(node, list) else str(node).encode()


def _directory(node: dict[str, Any]) -> bytes:
    names = []
    for name, child in sorted(node.items()):
        if name.startswith("_"):
            continue
        names.append(child["_name"] if isinstance(child, dict) and "_name" in child else f"{name}/" if isinstance(child, dict) else name)
    return _lines(names)


def _lines(names: Any) -> bytes:
    return "\n".join(names).encode()
