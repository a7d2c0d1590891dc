"""Puts the compute service together."""

from cloudd.compute.api import (
    action,
    aggregate,
    availability_zone,
    extension,
    flavor,
    host_service,
    hypervisor,
    image,
    interface,
    keypair,
    limit,
    migration,
    project_security_group,
    project_security_group_rule,
    quota,
    security_group,
    server,
    server_action,
    server_diagnostics,
    server_group,
    server_metadata,
    server_migration,
    server_password,
    server_tag,
    usage,
    version,
    volume_attachment,
)
from cloudd.compute.api.server_view import ServerViews
from cloudd.compute.api.shapes import Links
from cloudd.compute.client import ComputeClient
from cloudd.compute.domain.action import Actions
from cloudd.compute.domain.aggregate import Aggregates
from cloudd.compute.domain.flavor import Flavors
from cloudd.compute.domain.healing import Healing
from cloudd.compute.domain.health import Health
from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.interface import Interfaces
from cloudd.compute.domain.keypair import Keypairs
from cloudd.compute.domain.migration import Migrations
from cloudd.compute.domain.project_security_group import ProjectSecurityGroups
from cloudd.compute.domain.quota import Quotas
from cloudd.compute.domain.scheduler import Scheduler
from cloudd.compute.domain.security_group import ServerSecurityGroups
from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_action import ServerActions
from cloudd.compute.domain.server_create import ServerCreation
from cloudd.compute.domain.server_diagnostics import ServerDiagnostics
from cloudd.compute.domain.server_facts import ServerFactsSource
from cloudd.compute.domain.server_group import ServerGroups
from cloudd.compute.domain.server_image import ServerImages
from cloudd.compute.domain.server_image_action import ServerImageActions
from cloudd.compute.domain.server_migration import ServerMigrations
from cloudd.compute.domain.server_network import ServerNetwork
from cloudd.compute.domain.server_resize import ServerResizes
from cloudd.compute.domain.usage import Usages
from cloudd.compute.domain.volume_attachment import VolumeAttachments
from cloudd.compute.errors import error_body
from cloudd.compute.messages import CONTROL, Heartbeat, ReportServers
from cloudd.compute.policy import RULES
from cloudd.compute.sagas.attach_interface import AttachInterface
from cloudd.compute.sagas.attach_volume import AttachVolume
from cloudd.compute.sagas.create_image import CreateImage
from cloudd.compute.sagas.create_server import CreateServer
from cloudd.compute.sagas.delete_server import DeleteServer
from cloudd.compute.sagas.detach_interface import DetachInterface
from cloudd.compute.sagas.detach_volume import DetachVolume
from cloudd.compute.sagas.evacuate_server import EvacuateServer
from cloudd.compute.sagas.live_migrate_server import LiveMigrateServer
from cloudd.compute.sagas.power_server import PowerServer
from cloudd.compute.sagas.rebuild_server import RebuildServer
from cloudd.compute.sagas.recover_server import RecoverServer
from cloudd.compute.sagas.resize_server import ConfirmResize, ResizeServer, RevertResize
from cloudd.kit.reconcile import Reconciler
from cloudd.kit.service import Cloud, Service
from cloudd.kit.settings import ApiSettings
from cloudd.kit.web import routes_of
from cloudd.network.messages import METADATA, MetadataRequest


def service(cloud: Cloud) -> Service:
    links = Links(cloud.settings.section(ApiSettings))
    quotas, flavors, hosts, actions = Quotas(cloud), Flavors(cloud), Hosts(cloud), Actions(cloud)
    servers = Servers(cloud, quotas)
    server_actions = ServerActions(cloud, servers, actions)
    views = ServerViews(servers, ServerNetwork(cloud), hosts, links)
    server_migrations = ServerMigrations(cloud, hosts, server_actions)
    resizes = ServerResizes(cloud, flavors, quotas, server_actions, server_migrations)
    scheduler = Scheduler(cloud, hosts)
    image_actions = ServerImageActions(cloud, server_actions)
    interfaces = Interfaces(cloud, servers, server_actions)
    security_groups = ServerSecurityGroups(cloud, servers, server_actions)
    healing = Healing(cloud, hosts)
    cloud.checks.extend(Health(cloud, hosts).checks())
    cloud.offer(ComputeClient(servers))
    simple_sagas = (
        AttachInterface,
        AttachVolume,
        CreateImage,
        DetachInterface,
        DetachVolume,
        PowerServer,
        RebuildServer,
        RecoverServer,
    )
    moving_sagas = (ConfirmResize, EvacuateServer, LiveMigrateServer, ResizeServer, RevertResize)
    return Service(
        name="compute",
        title="Compute API v2.1",
        routes=routes_of(
            version,
            flavor,
            keypair,
            server,
            server_action,
            server_diagnostics,
            server_metadata,
            server_migration,
            server_password,
            server_tag,
            volume_attachment,
            interface,
            security_group,
            action,
            availability_zone,
            hypervisor,
            host_service,
            aggregate,
            server_group,
            quota,
            limit,
            usage,
            migration,
            extension,
            image,
            project_security_group,
            project_security_group_rule,
        ),
        rules=RULES,
        error_body=error_body,
        versions=version.VERSIONS,
        older_paths=version.OLDER_PATHS,
        request_id_headers=("x-compute-request-id",),
        dependencies={
            "links": links,
            "views": views,
            "flavors": flavors,
            "keypairs": Keypairs(cloud, quotas),
            "servers": servers,
            "creation": ServerCreation(cloud, flavors, hosts, quotas, actions),
            "server_actions": server_actions,
            "desk": server_action.Desk(
                servers, server_actions, resizes, image_actions, security_groups, interfaces, server_migrations, views, links
            ),
            "volume_attachments": VolumeAttachments(cloud, servers, server_actions),
            "security_groups": security_groups,
            "interfaces": interfaces,
            "actions": actions,
            "diagnostics": ServerDiagnostics(cloud, servers),
            "hosts": hosts,
            "migrations": Migrations(cloud, servers, actions),
            "aggregates": Aggregates(cloud, hosts),
            "server_groups": ServerGroups(cloud, quotas),
            "quotas": quotas,
            "usages": Usages(cloud),
            "server_images": ServerImages(cloud),
            "project_security_groups": ProjectSecurityGroups(cloud),
        },
        sagas=[
            CreateServer(cloud, scheduler),
            DeleteServer(cloud, hosts),
            *(saga(cloud) for saga in simple_sagas),
            *(saga(cloud, hosts, scheduler) for saga in moving_sagas),
        ],
        reconcilers=[
            Reconciler("compute.heal", 10, healing.heal),
            Reconciler("compute.free_stuck", 60, healing.free_stuck),
            Reconciler("compute.purge", 3600, healing.purge),
        ],
        topics={
            CONTROL: {Heartbeat: healing.heartbeat, ReportServers: healing.report},
            METADATA: {MetadataRequest: ServerFactsSource(cloud).answer},
        },
    )
