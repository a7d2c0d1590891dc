"""The report, and the way on for a saga that is stuck."""

import msgspec

from cloudd.health.domain.saga import Sagas
from cloudd.health.settings import HealthSettings
from cloudd.kit.health import Outcome, outcomes
from cloudd.kit.service import Cloud
from cloudd.kit.web import route


class Report(msgspec.Struct):
    """`healthy` is false as soon as one finding is an error."""

    healthy: bool
    checks: list[Outcome]


@route("GET", "/", rule="health:report")
async def report(cloud: Cloud) -> Report:
    found = await outcomes(cloud.checks, cloud.settings.section(HealthSettings).check_timeout_seconds)
    return Report(healthy=not any(finding.level == "error" for outcome in found for finding in outcome.findings), checks=found)


class ResumedSaga(msgspec.Struct):
    id: str
    kind: str
    resource_id: str
    state: str


@route("POST", "/sagas/{saga_id:str}/resume", rule="health:resume_saga", status=202)
async def resume_saga(saga_id: str, sagas: Sagas) -> ResumedSaga:
    row = await sagas.resume(saga_id)
    return ResumedSaga(row.id, row.kind, row.resource_id, row.state)
