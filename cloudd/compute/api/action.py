"""/v2.1/servers/{id}/os-instance-actions."""

from typing import Any

from litestar import Request

from cloudd.compute.api.shapes import Links
from cloudd.compute.domain.action import Actions
from cloudd.compute.domain.server import Servers
from cloudd.compute.store.action import Action, Event
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.paging import Page, next_link, parse_page
from cloudd.kit.web import route


def _view(ctx: Context, action: Action) -> dict[str, Any]:
    view = {
        "action": action.action,
        "instance_uuid": action.server_id,
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": iso_micro(action.started_at),
        "message": action.message,
    }
    return {**view, "updated_at": iso_micro(action.updated_at)} if ctx.version >= (2, 58) else view


def _event_view(ctx: Context, event: Event) -> dict[str, Any]:
    view = {"event": event.event, "start_time": event.start_time, "finish_time": event.finish_time, "result": event.result}
    if ctx.is_admin or ctx.version < (2, 51):
        view["traceback"] = event.traceback
    if ctx.version >= (2, 62):
        view["hostId"] = ""
        if ctx.is_admin:
            view["host"] = event.host
    if ctx.version >= (2, 84):
        view["details"] = event.details
    return view


@route("GET", "/v2.1/servers/{server_id:str}/os-instance-actions", rule="compute:servers:show")
async def list_actions(
    request: Request[Any, Any, Any], ctx: Context, servers: Servers, actions: Actions, links: Links, server_id: str
) -> dict[str, Any]:
    await servers.get(ctx, server_id)
    query, newest_first = request.query_params, [("started_at", True)]
    page = parse_page(query, [], newest_first) if ctx.version >= (2, 58) else Page(sort=newest_first)
    found = await actions.page(server_id, page)
    answer: dict[str, Any] = {"instanceActions": [_view(ctx, action) for action in found]}
    if ctx.version >= (2, 58) and len(found) == page.limit:
        url = links.url("servers", server_id, "os-instance-actions")
        answer["links"] = [{"rel": "next", "href": next_link(url, query, found[-1].request_id)}]
    return answer


@route("GET", "/v2.1/servers/{server_id:str}/os-instance-actions/{action_request_id:str}", rule="compute:servers:show")
async def show_action(ctx: Context, servers: Servers, actions: Actions, server_id: str, action_request_id: str) -> dict[str, Any]:
    await servers.get(ctx, server_id)
    action = await actions.get(server_id, action_request_id)
    view = _view(ctx, action)
    if ctx.is_admin or ctx.version >= (2, 51):
        view["events"] = [_event_view(ctx, event) for event in action.events]
    return {"instanceAction": view}
