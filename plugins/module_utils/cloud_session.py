"""Opens a session with an OpenStack cloud for a module, and puts what goes wrong into words an operator can act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import openstack
    from openstack import exceptions as sdk_errors
except ImportError:  # said by run(), with the remedy
    openstack = None  # type: ignore[assignment]

SESSION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "cloud": {"type": "str"},
    "auth": {"type": "dict", "no_log": True},
    "auth_type": {"type": "str"},
    "region_name": {"type": "str"},
    "interface": {"type": "str", "choices": ["public", "internal", "admin"], "default": "public", "aliases": ["endpoint_type"]},
    "validate_certs": {"type": "bool", "aliases": ["verify"]},
    "ca_cert": {"type": "path", "aliases": ["cacert"]},
    "api_timeout_seconds": {"type": "int"},
}

WAIT_ARGUMENTS: dict[str, dict[str, Any]] = {
    "wait": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 300},
}


class Refusal(Exception):
    """A wish that cannot be granted; the reasons say what, where, and what to do instead."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = list(reasons)


def connect(params: dict[str, Any]) -> Any:
    """Return an openstack.connection.Connection for the session arguments; what is left out comes from clouds.yaml and OS_*."""
    options = {
        "auth": params["auth"],
        "auth_type": params["auth_type"],
        "region_name": params["region_name"],
        "interface": params["interface"],
        "verify": params["validate_certs"],
        "cacert": params["ca_cert"],
        "api_timeout": params["api_timeout_seconds"],
    }
    given = {name: value for name, value in options.items() if value is not None}
    return openstack.connect(cloud=params["cloud"], app_name="cloud_modules", **given)


def run(module: AnsibleModule, act: Callable[[Any, dict[str, Any], bool], dict[str, Any]]) -> None:
    """Call act(connection, params, check_mode) and end the module with the result that it returns, or with a failure in words."""
    if openstack is None:
        module.fail_json(msg=missing_required_lib("openstacksdk"))
    try:
        result = act(connect(module.params), module.params, module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal), reasons=refusal.reasons)
    except sdk_errors.HttpException as error:
        module.fail_json(msg=f"The cloud refused a request: {http_error_text(error)}", status_code=error.status_code)
    except sdk_errors.SDKException as error:
        module.fail_json(msg=f"The cloud cannot be reached or used: {error}. Check `cloud`, `auth` and clouds.yaml.")
    else:
        module.exit_json(**result)


def http_error_text(error: Any) -> str:
    """What was asked, what the cloud answered, and the request id that finds it in the cloud's log."""
    response = getattr(error, "response", None)
    request = getattr(response, "request", None)
    asked = f"{request.method} {request.url}: " if request is not None else ""
    request_id = getattr(error, "request_id", None)
    trace = f" (request {request_id})" if request_id else ""
    return f"{asked}{error.status_code} {error.details or error.message}{trace}"


def find_or_none(kind: str, name_or_id: str, search: Callable[..., Any]) -> Any:
    """Return the one resource that search finds by name or id, or None; refuse if several have that name."""
    try:
        return search(name_or_id, ignore_missing=True)
    except sdk_errors.DuplicateResource:
        raise Refusal(f"Several of the project's {kind}s are named {name_or_id!r}: give the id instead.") from None


def find(kind: str, name_or_id: str, search: Callable[..., Any], known: Callable[[], Any] | None = None) -> Any:
    """Return the one resource that search finds by name or id, or refuse and name those that known() lists."""
    found = find_or_none(kind, name_or_id, search)
    if found is None:
        names = sorted({one.name for one in known()} - {None, ""})[:20] if known else []
        hint = f" There are: {', '.join(names)}." if names else ""
        raise Refusal(f"There is no {kind} {name_or_id!r} that this project may use.{hint}")
    return found
