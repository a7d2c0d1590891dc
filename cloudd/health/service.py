"""Puts the health service together."""

from cloudd.health.api import report
from cloudd.health.domain.saga import Sagas
from cloudd.health.errors import error_body
from cloudd.health.policy import RULES
from cloudd.kit.service import Cloud, Service
from cloudd.kit.web import routes_of


def service(cloud: Cloud) -> Service:
    sagas = Sagas(cloud)
    cloud.checks.extend(sagas.checks())
    return Service(
        name="health",
        title="Health",
        routes=routes_of(report),
        rules=RULES,
        error_body=error_body,
        dependencies={"cloud": cloud, "sagas": sagas},
    )
