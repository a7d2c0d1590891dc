"""Who may do what on the bus: the control plane everything in its virtual host, a host's agents only what is their own."""

from __future__ import annotations

import re

VHOST = "cloudd"
CONTROL_USER = "control"


def agent_user(host: str) -> str:
    """The name under which a host's agents log in."""
    return f"agent-{host}"


def permissions(user: str) -> dict[str, str]:
    """RabbitMQ's three patterns of names that a user may make (configure), send to (write) and take from (read)."""
    if user == CONTROL_USER:
        return {"configure": ".*", "write": ".*", "read": ".*"}
    own = _own(user)
    # To bind a queue is to write to it and to read from the exchange.
    return {
        "configure": f"^({own})$",
        "write": rf"^({own}|cloudd\.control|cloudd\.replies)$",
        "read": rf"^({own}|cloudd\.agents|cloudd\.replies)$",
    }


def topic_permissions(user: str) -> dict[str, dict[str, str]]:
    """By exchange, the patterns of routing keys a user may send with (write) and have delivered (read)."""
    if user == CONTROL_USER:
        return {}
    return {"cloudd.agents": {"write": "^$", "read": f"^{_topics(user)}$"}}


def _own(user: str) -> str:
    return rf"{_topics(user)}|reply\.{re.escape(user)}\.[0-9a-f-]+"


def _topics(user: str) -> str:
    return rf"[a-z_]+\.agent\.{re.escape(user.removeprefix('agent-'))}"
