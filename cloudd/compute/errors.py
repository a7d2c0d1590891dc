"""The compute service's conditions, and Nova's error shape."""

from typing import Any

from cloudd.kit.errors import Condition


class ServerNotFound(Condition):
    code = "compute.server.not_found"
    status = 404
    message = "Instance {server_id} could not be found."


class FlavorNotFound(Condition):
    code = "compute.flavor.not_found"
    status = 404
    message = "Flavor {flavor_id} could not be found."


class FlavorTaken(Condition):
    code = "compute.flavor.taken"
    status = 409
    message = "Flavor with {key} {value} already exists."


class FlavorAccessNotFound(Condition):
    code = "compute.flavor.access_not_found"
    status = 404
    message = "Flavor access not found for {flavor_id} / {project_id} combination."


class FlavorAccessTaken(Condition):
    code = "compute.flavor.access_taken"
    status = 409
    message = "Flavor access already exists for flavor {flavor_id} and project {project_id} combination."


class ExtraSpecNotFound(Condition):
    code = "compute.flavor.extra_spec_not_found"
    status = 404
    message = "Flavor {flavor_id} has no extra specs with key {key}."


class KeypairNotFound(Condition):
    code = "compute.keypair.not_found"
    status = 404
    message = "Keypair {name} not found for user {user_id}."


class KeypairTaken(Condition):
    code = "compute.keypair.taken"
    status = 409
    message = "Key pair '{name}' already exists."


class AggregateNotFound(Condition):
    code = "compute.aggregate.not_found"
    status = 404
    message = "Aggregate {aggregate_id} could not be found."


class AggregateTaken(Condition):
    code = "compute.aggregate.taken"
    status = 409
    message = "Aggregate {name} already exists."


class HostNotFound(Condition):
    code = "compute.host.not_found"
    status = 404
    message = "Compute host {host} could not be found."


class ServerGroupNotFound(Condition):
    code = "compute.server_group.not_found"
    status = 404
    message = "Instance group {group_id} could not be found."


class ActionNotFound(Condition):
    code = "compute.action.not_found"
    status = 404
    message = "Action for request_id {action_request_id} on instance {server_id} not found."


class MetadataKeyNotFound(Condition):
    code = "compute.server.metadata_key_not_found"
    status = 404
    message = "Metadata item {key} was not found."


class TagNotFound(Condition):
    code = "compute.server.tag_not_found"
    status = 404
    message = "Server {server_id} has no tag '{tag}'."


class AttachmentNotFound(Condition):
    code = "compute.attachment.not_found"
    status = 404
    message = "Instance {server_id} is not attached to {what} {key}."


class HostInUse(Condition):
    code = "compute.host.in_use"
    status = 400
    message = "Compute service of {host} is still in use."


class MigrationNotFound(Condition):
    code = "compute.migration.not_found"
    status = 404
    message = "Migration {migration_id} could not be found."


class ServerMigrationNotFound(Condition):
    code = "compute.migration.not_found_for_server"
    status = 404
    message = "Migration {migration_id} for server {server_id} {reason}."


class MigrationStateInvalid(Condition):
    code = "compute.migration.state_invalid"
    status = 400
    message = "Migration {migration_id} state of instance {server_id} is {state}. Cannot {method} while the migration is in this state."


class EvacuationsPending(Condition):
    """The host has not been seen since servers were taken from it: it may still run them."""

    code = "compute.host.evacuations_pending"
    status = 400
    message = (
        "Unable to force up host {host} as `done` evacuation migration records remain associated with the host. Ensure the compute "
        "service has been restarted, allowing these records to move to `completed` before retrying this request."
    )


class MigrationFailed(Condition):
    """A live migration ended without having moved the guest."""

    code = "compute.migration.failed"
    status = 500
    message = "The live migration to {host} failed: {reason}"


class MigrationUncertain(Condition):
    """Nobody can say now on which host the guest is."""

    code = "compute.migration.uncertain"
    status = 500
    message = "Whether server {server_id} has arrived on {host} cannot be found out now: {reason}"
    retryable = True


class ServerBusy(Condition):
    code = "compute.server.busy"
    status = 409
    message = "Cannot '{action}' instance {server_id} while it is in {attribute} {state}"


class ServerLocked(Condition):
    code = "compute.server.locked"
    status = 409
    message = "Instance {server_id} is locked"


class QuotaExceeded(Condition):
    code = "compute.quota_exceeded"
    status = 403
    message = "Quota exceeded for {resource}: Requested {requested}, but already used {used} of {limit} {resource}"


class VolumeUnusable(Condition):
    code = "compute.volume_unusable"
    status = 400
    message = "Invalid volume: {reason}"


class NoValidHost(Condition):
    code = "compute.no_valid_host"
    status = 500
    message = "No valid host was found. {reason}"


class HostFailed(Condition):
    """The hypervisor of a host could not do it; `reason` says what and why, the field `driver_code` is the driver's own."""

    code = "compute.host.failed"
    status = 500
    message = "{reason}"


class HostFailedForNow(HostFailed):
    code = "compute.host.failed_for_now"
    retryable = True


class NoDomain(Condition):
    code = "compute.host.no_domain"
    status = 409
    message = "Host has no domain for server {server_id}; a hard reboot defines it again."


class StillBusy(Condition):
    """Other work on the server must end first."""

    code = "compute.server.still_busy"
    status = 409
    message = "Other work on server {server_id} has not ended yet."
    retryable = True


class Abandoned(Condition):
    """The user deleted the server while it was being made."""

    code = "compute.server.abandoned"
    status = 409
    message = "Server {server_id} is being deleted."


_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def error_body(condition: Condition, request_id: str) -> dict[str, Any]:
    """{"itemNotFound": {"code": 404, "message": …}}; a refused microversion is told in the version's own shape."""
    if condition.code == "kit.version_not_supported":
        links = [{"rel": "help", "href": "https://docs.openstack.org/api-guide/compute/microversions.html"}]
        fields = condition.fields
        return {
            "errors": [
                {
                    "status": 406,
                    "request_id": request_id,
                    "code": "compute.microversion-unsupported",
                    "title": "Requested microversion is unsupported",
                    "detail": condition.text,
                    "min_version": fields["minimum"],
                    "max_version": fields["maximum"],
                    "links": links,
                }
            ]
        }
    return {_NAMES.get(condition.status, "computeFault"): {"code": condition.status, "message": condition.text}}
