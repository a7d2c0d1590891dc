"""Puts the network service together."""

from __future__ import annotations

from cloudd.kit.reconcile import Reconciler
from cloudd.kit.service import Cloud, Service
from cloudd.kit.settings import ApiSettings
from cloudd.kit.web import routes_of
from cloudd.network.api import (
    agent,
    extension,
    floating_ip,
    network,
    port,
    quota,
    router,
    security_group,
    security_group_rule,
    subnet,
    subnet_pool,
    tag,
    version,
)
from cloudd.network.api.error import error_body
from cloudd.network.api.query import Links
from cloudd.network.client import NetworkClient, SecurityGroupClient
from cloudd.network.domain.agent import NetworkAgents
from cloudd.network.domain.attachment import Attachments
from cloudd.network.domain.engine import Engine
from cloudd.network.domain.floating_ip import FloatingIps
from cloudd.network.domain.health import Health
from cloudd.network.domain.network import Networks
from cloudd.network.domain.port import Ports
from cloudd.network.domain.port_address import PortAddresses
from cloudd.network.domain.port_group import PortGroups
from cloudd.network.domain.port_move import PortMoves
from cloudd.network.domain.records import Ground
from cloudd.network.domain.router import Routers
from cloudd.network.domain.router_interface import RouterInterfaces
from cloudd.network.domain.security_group import SecurityGroups
from cloudd.network.domain.security_group_rule import SecurityGroupRules
from cloudd.network.domain.subnet import Subnets
from cloudd.network.domain.subnet_pool import SubnetPools
from cloudd.network.drivers import make_driver
from cloudd.network.messages import CONTROL, ApplyChanges, NetworksOfHost
from cloudd.network.policy import RULES

CHANGE_SWEEP_SECONDS = 5
HEARTBEAT_SECONDS = 30


def service(cloud: Cloud) -> Service:
    ground = Ground(cloud)
    driver = make_driver(ground.settings)
    engine = Engine(ground, driver)
    cloud.checks.extend(Health(ground, driver).checks())
    groups = SecurityGroups(ground)
    ports = Ports(ground, groups)
    pools = SubnetPools(ground)
    networks, subnets, routers, floating_ips = Networks(ground), Subnets(ground, pools), Routers(ground, ports), FloatingIps(ground, ports)
    attachments = Attachments(ground, ports, groups)
    moves = PortMoves(ground, ports, engine)
    cloud.offer(NetworkClient(attachments, PortGroups(ground, attachments, groups), PortAddresses(ground, ports), moves))
    rules = SecurityGroupRules(ground)
    cloud.offer(SecurityGroupClient(groups, rules))
    tagged = {
        "networks": networks,
        "subnets": subnets,
        "ports": ports,
        "routers": routers,
        "floatingips": floating_ips,
        "security-groups": groups,
        "subnetpools": pools,
    }
    modules = (
        version,
        network,
        subnet,
        port,
        router,
        floating_ip,
        security_group,
        security_group_rule,
        subnet_pool,
        quota,
        extension,
        agent,
    )
    return Service(
        name="network",
        title="Networking API v2.0",
        routes=[*routes_of(*modules), *tag.TAG_ROUTES],
        rules=RULES,
        error_body=error_body,
        dependencies={
            "links": Links(cloud.settings.section(ApiSettings).public_url),
            "networks": networks,
            "subnets": subnets,
            "ports": ports,
            "routers": routers,
            "interfaces": RouterInterfaces(ground, routers, ports),
            "floating_ips": floating_ips,
            "security_groups": groups,
            "security_group_rules": rules,
            "subnet_pools": pools,
            "quotas": ground.quotas,
            "tagged": tag.Tagged(tagged),
            "agents": NetworkAgents(ground, driver),
        },
        reconcilers=[
            Reconciler("network.apply_changes", CHANGE_SWEEP_SECONDS, engine.apply),
            Reconciler("network.heal", ground.settings.reconcile_seconds, engine.reconcile),
            Reconciler("network.ask_for_life", HEARTBEAT_SECONDS, engine.ask_for_life),
        ],
        topics={CONTROL: {ApplyChanges: engine.apply, NetworksOfHost: engine.networks_of_host}},
        start=engine.start,
        stop=engine.stop,
    )
