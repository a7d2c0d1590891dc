"""/v2.0/agents and /v2.0/availability_zones: the hosts that networks run on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, fields_of
from cloudd.network.domain.agent import AgentView, NetworkAgents


def moment(time: datetime | None) -> str | None:
    return time.strftime("%Y-%m-%d %H:%M:%S") if time else None


def view(agent: AgentView) -> dict[str, Any]:
    return {
        "id": agent.id,
        "agent_type": agent.kind,
        "binary": agent.binary,
        "host": agent.host,
        "topic": "",
        "alive": agent.alive,
        "admin_state_up": True,
        "availability_zone": agent.availability_zone,
        "configurations": {"bridge-mappings": agent.physical_networks},
        "description": "",
        "created_at": moment(agent.created_at),
        "started_at": moment(agent.created_at),
        "heartbeat_timestamp": moment(agent.heard_at),
        "resources_synced": None,
    }


@route("GET", "/v2.0/agents", rule="network:list_agents")
async def list_agents(ctx: Context, request: AnyRequest, agents: NetworkAgents) -> dict[str, Any]:
    filters = {name: value for name, value in request.query_params.items() if name in ("host", "agent_type", "binary", "id")}
    shown = [view(agent) for agent in await agents.all(ctx)]
    return {"agents": [fields_of(request, item) for item in shown if all(item[name] == value for name, value in filters.items())]}


@route("GET", "/v2.0/agents/{agent_id:str}", rule="network:get_agent")
async def show_agent(request: AnyRequest, agent_id: str, agents: NetworkAgents) -> dict[str, Any]:
    return {"agent": fields_of(request, view(await agents.get(agent_id)))}


@route("GET", "/v2.0/availability_zones", rule="network:get_availability_zone")
async def list_availability_zones(agents: NetworkAgents) -> dict[str, Any]:
    zones = await agents.availability_zones()
    return {
        "availability_zones": [{"name": name, "resource": kind, "state": "available"} for name in zones for kind in ("network", "router")]
    }
