"""The identity service's conditions, and Keystone's error shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from cloudd.kit.errors import Condition


class RecordNotFound(Condition):
    code = "identity.record.not_found"
    status = 404
    message = "Could not find {noun}: {key}."


class NameTaken(Condition):
    code = "identity.record.name_taken"
    status = 409
    message = "Conflict occurred attempting to store {noun} - Duplicate entry found with name {name}."


class AuthenticationFailed(Condition):
    code = "identity.authentication_failed"
    status = 401
    message = "The request you have made requires authentication."


class TokenNotFound(Condition):
    code = "identity.token.not_found"
    status = 404
    message = "Failed to validate token: it is unknown, expired or revoked."


class DomainEnabled(Condition):
    code = "identity.domain.enabled"
    status = 403
    message = "Cannot delete a domain that is enabled, please disable it first."


class NotPermitted(Condition):
    code = "identity.not_permitted"
    status = 403
    message = "You are not authorized to perform the requested action: {action}."


class WrongPassword(Condition):
    code = "identity.user.wrong_password"
    status = 401
    message = "The original password does not match."


def error_body(condition: Condition, request_id: str) -> dict[str, Any]:
    """{"error": {"code", "message", "title"}}."""
    return {"error": {"code": condition.status, "message": condition.text, "title": HTTPStatus(condition.status).phrase}}
