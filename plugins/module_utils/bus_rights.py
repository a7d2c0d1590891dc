"""Who may do what on the bus: the control plane everything in its virtual host, a host's agents only what is their own."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

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


def password(user: str, secret: str) -> str:
    """A user's password: the cloud's one secret for the bus, mixed with the name. In templates: (user ~ ':' ~ secret) | hash('sha256')."""
    return hashlib.sha256(f"{user}:{secret}".encode()).hexdigest()


def sealed(password: str, salt: bytes = b"") -> str:
    """A password as RabbitMQ keeps it: four bytes of salt and their SHA-256 together, in base64."""
    salt = salt or secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def fits(password: str, kept: str) -> bool:
    """Whether this is the password that RabbitMQ keeps."""
    return secrets.compare_digest(sealed(password, base64.b64decode(kept)[:4]), kept)


def definitions(agent_hosts: list[str], secret: str) -> dict[str, list[dict]]:
    """All that belongs to the cloud, in the form that RabbitMQ exports and imports; users with `password` in the clear."""
    users = [CONTROL_USER, *(agent_user(host) for host in agent_hosts)]
    return {
        "vhosts": [{"name": VHOST, "default_queue_type": "quorum"}],
        "users": [{"name": user, "password": password(user, secret), "tags": []} for user in users],
        "permissions": [{"user": user, "vhost": VHOST, **permissions(user)} for user in users],
        "topic_permissions": [
            {"user": user, "vhost": VHOST, "exchange": exchange, **rights}
            for user in users
            for exchange, rights in topic_permissions(user).items()
        ],
    }


def _own(user: str) -> str:
    return rf"{_topics(user)}|reply\.{re.escape(user)}\.[0-9a-f-]+"


def _topics(user: str) -> str:
    return rf"[a-z_]+\.agent\.{re.escape(user.removeprefix('agent-'))}"
