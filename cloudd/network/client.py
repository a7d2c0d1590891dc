"""Network's door for the other services: plan, make, bind and look up the ports of servers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from cloudd.kit.auth import Context
from cloudd.kit.paging import Page
from cloudd.network.domain.attachment import Attachments, FixedAddress, NetworkRequest, PortPlan, PortView, Vif
from cloudd.network.domain.port_address import PortAddresses
from cloudd.network.domain.port_group import PortGroups
from cloudd.network.domain.port_move import PortMoves
from cloudd.network.domain.records import Query
from cloudd.network.domain.security_group import SecurityGroupCreate, SecurityGroupDetail, SecurityGroups, SecurityGroupUpdate
from cloudd.network.domain.security_group_rule import SecurityGroupRuleCreate as NewRule
from cloudd.network.domain.security_group_rule import SecurityGroupRules
from cloudd.network.store.security_group_rule import SecurityGroupRule

__all__ = [
    "FixedAddress",
    "NetworkClient",
    "NetworkRequest",
    "NewRule",
    "PortPlan",
    "PortView",
    "SecurityGroupClient",
    "SecurityGroupDetail",
    "SecurityGroupRule",
    "Vif",
]


class NetworkClient:
    """All ids are uuids as text. Conditions raised are the network service's own (cloudd.network.errors)."""

    def __init__(self, attachments: Attachments, port_groups: PortGroups, port_addresses: PortAddresses, moves: PortMoves) -> None:
        self._attachments = attachments
        self._moves = moves
        self._port_groups = port_groups
        self._port_addresses = port_addresses

    async def resolve_requests(
        self,
        ctx: Context,
        requests: Sequence[NetworkRequest] | Literal["auto", "none"] | None,
        security_groups: Sequence[str] | None = None,
    ) -> list[PortPlan]:
        """What a server's `networks` ask for, checked and with ids and MACs chosen; nothing is made yet.

        None and "auto" mean the project's only network (where there is none, "auto" raises and None gives no port).
        `security_groups` are names or ids, None means the default group.
        Raises NetworkNotFound, PortNotFound, SecurityGroupNotFound (404), PortInUse, NetworkAmbiguous, NetworkRequiresSubnet,
        ExternalNetworkForbidden, AddressInUse (409), InvalidInput (400).
        """
        return await self._attachments.resolve_requests(ctx, requests, security_groups)

    async def create_port(self, plan: PortPlan, device_id: str, host: str, availability_zone: str = "nova") -> PortView:
        """Make the planned port, or take over the user's own, for the server `device_id` on `host`. Idempotent."""
        return await self._attachments.create_port(plan, device_id, host, availability_zone)

    async def bind_port(self, port_id: str, device_id: str, host: str) -> PortView:
        """The port is (now) on that host. Idempotent; also for a move of a server that does not run (cold migration, evacuation)."""
        return await self._attachments.bind_port(port_id, device_id, host)

    async def begin_migration(self, port_ids: Collection[str], destination_host: str) -> None:
        """Before a running server moves: its ports may be plugged on the destination too, where they are silent until it speaks there.

        `binding:host_id` stays the source. Idempotent; when it answers, the engine has been told. Raises PortNotFound.
        """
        await self._moves.begin(port_ids, destination_host)

    async def finish_migration(self, port_ids: Collection[str], host: str) -> None:
        """The server runs on `host` now, and nowhere else. Idempotent. Raises PortNotFound."""
        await self._moves.finish(port_ids, host)

    async def abort_migration(self, port_ids: Collection[str], source_host: str) -> None:
        """The server stays on `source_host`. Idempotent. Raises PortNotFound."""
        await self._moves.abort(port_ids, source_host)

    async def unbind_port(self, port_id: str) -> None:
        """The port leaves its host and server but stays (a port that the user made). Idempotent."""
        await self._attachments.unbind_port(port_id)

    async def delete_port(self, port_id: str) -> None:
        """Remove a port that a server brought with it. Idempotent: no error when there is none."""
        await self._attachments.delete_port(port_id)

    async def ports_of(self, device_ids: Collection[str]) -> dict[str, list[PortView]]:
        """Ports by server, each server's in the order in which they were made; every id asked for is a key."""
        return await self._attachments.ports_of(device_ids)

    async def port(self, ctx: Context, port_id: str) -> PortView:
        """One port. Raises PortNotFound."""
        return await self._attachments.port(ctx, port_id)

    async def port_at(self, network_id: str, address: str) -> PortView | None:
        """The port that has that fixed address in that network: who asks the metadata service."""
        return await self._attachments.port_at(network_id, address)

    async def security_groups_of(self, port_ids: Collection[str]) -> dict[str, list[str]]:
        """Port id to the names of its security groups, for the server's view."""
        return await self._attachments.security_groups_of(port_ids)

    async def groups_of_server(self, device_id: str) -> list[SecurityGroupDetail]:
        """The security groups, with their rules, of a server's ports."""
        return await self._port_groups.of_server(device_id)

    async def add_group(self, ctx: Context, device_id: str, group: str) -> None:
        """Give a security group (a name or an id) to every port of a server.

        Raises SecurityGroupNotFound, SecurityGroupAmbiguous, SecurityGroupNotApplicable (400) where no port can have one.
        """
        await self._port_groups.add(ctx, device_id, group)

    async def remove_group(self, ctx: Context, device_id: str, group: str) -> None:
        """Take a security group from every port of a server. Raises SecurityGroupNotFound, SecurityGroupNotAssociated (404)."""
        await self._port_groups.remove(ctx, device_id, group)

    async def add_address(self, ctx: Context, device_id: str, network_id: str) -> None:
        """Another fixed address for a server's port in a network. Raises InvalidInput (400), AddressesExhausted (409)."""
        await self._port_addresses.add(ctx, device_id, network_id)

    async def remove_address(self, ctx: Context, device_id: str, address: str) -> None:
        """Take a fixed address from a server's port. Raises InvalidInput (400)."""
        await self._port_addresses.remove(ctx, device_id, address)


class SecurityGroupClient:
    """A project's security groups and rules, with the rights of `ctx` as over HTTP; conditions are those of the network's own API."""

    def __init__(self, groups: SecurityGroups, rules: SecurityGroupRules) -> None:
        self._groups = groups
        self._rules = rules

    async def page(self, ctx: Context) -> list[SecurityGroupDetail]:
        """Those of the caller's project, its default group included."""
        page = Page(limit=10_000, sort=[("name", False)])
        return await self._groups.page(ctx, Query(page=page, filters={"project_id": [ctx.project]}))

    async def get(self, ctx: Context, group_id: str) -> SecurityGroupDetail:
        """SecurityGroupNotFound."""
        return await self._groups.get(ctx, group_id)

    async def create(self, ctx: Context, name: str, description: str) -> SecurityGroupDetail:
        """DefaultSecurityGroupExists, QuotaExceeded."""
        return await self._groups.create(ctx, SecurityGroupCreate(name=name, description=description))

    async def update(self, ctx: Context, group_id: str, name: str, description: str) -> SecurityGroupDetail:
        """SecurityGroupNotFound, DefaultSecurityGroup."""
        return await self._groups.update(ctx, group_id, SecurityGroupUpdate(name=name, description=description))

    async def delete(self, ctx: Context, group_id: str) -> None:
        """SecurityGroupNotFound, SecurityGroupInUse, DefaultSecurityGroup."""
        await self._groups.delete(ctx, group_id)

    async def add_rule(self, ctx: Context, rule: NewRule) -> SecurityGroupRule:
        """SecurityGroupNotFound, SecurityGroupRuleExists, InvalidInput."""
        (made,) = await self._rules.create(ctx, [rule])
        return made.rule

    async def remove_rule(self, ctx: Context, rule_id: str) -> None:
        """SecurityGroupRuleNotFound."""
        await self._rules.delete(ctx, rule_id)
