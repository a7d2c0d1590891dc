"""Health's conditions, and their shape in its API."""

from http import HTTPStatus
from typing import Any

from cloudd.kit.errors import Condition


class SagaNotStuck(Condition):
    code = "health.saga.not_stuck"
    status = 404
    message = "No saga {saga_id} is stuck; GET /health/ lists those that are."


def error_body(condition: Condition, _request_id: str) -> dict[str, Any]:
    return {"error": {"code": condition.status, "title": HTTPStatus(condition.status).phrase, "message": condition.text}}
