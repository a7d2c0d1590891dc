"""Puts the volume service together."""

from cloudd.kit.reconcile import Reconciler
from cloudd.kit.service import Cloud, Service
from cloudd.kit.settings import ApiSettings
from cloudd.kit.web import routes_of
from cloudd.volume.api import attachment, extension, host, metadata, quota_set, snapshot, version, volume, volume_action, volume_type
from cloudd.volume.api.shapes import Links
from cloudd.volume.api.volume import VolumeViews
from cloudd.volume.api.volume_action import VolumeActions
from cloudd.volume.client import VolumeClient
from cloudd.volume.domain.healing import Healing
from cloudd.volume.domain.health import Health
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.upload import Uploads
from cloudd.volume.errors import error_body
from cloudd.volume.messages import CONTROL, Heartbeat
from cloudd.volume.policy import RULES
from cloudd.volume.sagas.create_snapshot import CreateSnapshot
from cloudd.volume.sagas.create_volume import CreateVolume
from cloudd.volume.sagas.delete_snapshot import DeleteSnapshot
from cloudd.volume.sagas.delete_volume import DeleteVolume
from cloudd.volume.sagas.extend_volume import ExtendVolume
from cloudd.volume.sagas.revert_to_snapshot import RevertToSnapshot
from cloudd.volume.sagas.upload_volume import UploadVolume


def service(cloud: Cloud) -> Service:
    client = VolumeClient(cloud)
    cloud.offer(client)
    progress = Progress(cloud)
    links = Links(cloud.settings.section(ApiSettings))
    uploads = Uploads(cloud, client.volumes)
    cloud.checks.extend(Health(cloud, client.hosts).checks())
    return Service(
        name="volume",
        title="Volume API v3",
        routes=routes_of(version, volume, volume_action, metadata, snapshot, attachment, volume_type, quota_set, host, extension),
        rules=RULES,
        error_body=error_body,
        versions=version.VERSIONS,
        dependencies={
            "links": links,
            "views": VolumeViews(links, client.types, client.attachments),
            "volumes": client.volumes,
            "actions": VolumeActions(client.volumes, client.snapshots, client.attachments, uploads, client.types),
            "snapshots": client.snapshots,
            "attachments": client.attachments,
            "types": client.types,
            "quotas": client.quotas,
            "hosts": client.hosts,
        },
        sagas=[
            CreateVolume(progress, client.hosts),
            DeleteVolume(progress),
            ExtendVolume(progress, client.attachments),
            CreateSnapshot(progress),
            DeleteSnapshot(progress),
            RevertToSnapshot(progress),
            UploadVolume(progress),
        ],
        reconcilers=[Reconciler("volume.heal", 120, Healing(cloud, client.hosts, progress).heal)],
        topics={CONTROL: {Heartbeat: client.hosts.report}},
        start=client.types.ensure_default,
    )
