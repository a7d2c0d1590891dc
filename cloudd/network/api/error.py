"""Conditions in Neutron's error shape."""

from __future__ import annotations

from typing import Any

from cloudd.kit.errors import Condition

KIT_TYPES = {
    400: "HTTPBadRequest",
    403: "PolicyNotAuthorized",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    409: "Conflict",
    500: "HTTPInternalServerError",
}


def error_body(condition: Condition, request_id: str) -> dict[str, Any]:
    """{"NeutronError": {"type", "message", "detail"}}."""
    if condition.status == 401:
        return {"error": {"code": 401, "title": "Unauthorized", "message": condition.text}}
    kind = condition.type_name or KIT_TYPES.get(condition.status, type(condition).__name__)
    return {"NeutronError": {"type": kind, "message": condition.text, "detail": ""}}
