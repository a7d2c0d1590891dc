"""Puts the image service together."""

import asyncio

from cloudd.image.api import image, image_file, info, member, schema, transfer, version
from cloudd.image.api.shapes import Links
from cloudd.image.client import ImageClient
from cloudd.image.domain.healing import Healing
from cloudd.image.domain.health import Health
from cloudd.image.domain.importing import Imports
from cloudd.image.domain.member import Members
from cloudd.image.errors import error_body
from cloudd.image.messages import CONTROL, Heartbeat
from cloudd.image.policy import RULES
from cloudd.image.sagas.import_image import ImportImage
from cloudd.kit.reconcile import Reconciler
from cloudd.kit.service import Cloud, Service
from cloudd.kit.settings import ApiSettings
from cloudd.kit.web import routes_of


def service(cloud: Cloud) -> Service:
    client = ImageClient(cloud)
    cloud.offer(client)
    healing = Healing(cloud, client.locations)
    cloud.checks.extend(Health(cloud, client.hosts).checks())

    async def start() -> None:
        await asyncio.to_thread(client.files.prepare)

    return Service(
        name="image",
        title="Image API v2",
        routes=routes_of(version, image, image_file, transfer, member, schema, info),
        rules=RULES,
        error_body=error_body,
        dependencies={
            "links": Links(cloud.settings.section(ApiSettings)),
            "images": client.images,
            "uploads": client.uploads,
            "imports": Imports(cloud, client.uploads),
            "members": Members(cloud),
            "tickets": client.tickets,
        },
        sagas=[ImportImage(client.uploads)],
        reconcilers=[Reconciler("image.heal", 60, healing.heal)],
        topics={CONTROL: {Heartbeat: client.hosts.report}},
        start=start,
    )
