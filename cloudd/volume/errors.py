"""The volume service's conditions and the shape of its errors."""

from typing import Any

from cloudd.kit.errors import Condition


class VolumeNotFound(Condition):
    code = "volume.volume.not_found"
    status = 404
    message = "Volume {volume_id} could not be found."


class SnapshotNotFound(Condition):
    code = "volume.snapshot.not_found"
    status = 404
    message = "Snapshot {snapshot_id} could not be found."


class TypeNotFound(Condition):
    code = "volume.type.not_found"
    status = 404
    message = "Volume type with name {volume_type} could not be found."


class TypeExists(Condition):
    code = "volume.type.exists"
    status = 409
    message = "Volume Type {name} already exists."


class TypeInUse(Condition):
    code = "volume.type.in_use"
    status = 400
    message = "Volume Type {type_id} deletion is not allowed with volumes present with the type, nor of the default type."


class TypeAccessConflict(Condition):
    code = "volume.type.access_conflict"
    status = 409
    message = "Volume type access for {type_id} / {project_id} combination {problem}."


class ExtraSpecNotFound(Condition):
    code = "volume.type.extra_spec_not_found"
    status = 404
    message = "Volume Type {type_id} has no extra specs with key {key}."


class MetadataNotFound(Condition):
    code = "volume.metadata.not_found"
    status = 404
    message = "Metadata item {key} was not found."


class AttachmentNotFound(Condition):
    code = "volume.attachment.not_found"
    status = 404
    message = "Volume attachment {attachment_id} could not be found."


class InvalidVolume(Condition):
    code = "volume.volume.invalid"
    status = 400
    message = "Invalid volume: {reason}"


class ServerHoldsVolume(Condition):
    code = "volume.attachment.held_by_server"
    status = 409
    message = "Volume {volume_id} is a disk of server {server_id}: detach it there, by the compute service."


class InvalidSnapshot(Condition):
    code = "volume.snapshot.invalid"
    status = 400
    message = "Invalid snapshot: {reason}"


class InvalidInput(Condition):
    code = "volume.input.invalid"
    status = 400
    message = "Invalid input received: {reason}"


class ImageUnusable(Condition):
    code = "volume.image.unusable"
    status = 400
    message = "Invalid image identifier or unable to access requested image: {reason}"


class QuotaExceeded(Condition):
    code = "volume.quota.exceeded"
    status = 413
    message = "Maximum number of {resource} allowed ({limit}) exceeded: {wanted} wanted, {used} in use."


class VolumeTooLarge(Condition):
    code = "volume.quota.volume_too_large"
    status = 413
    message = "Requested volume size {size_gib}G is larger than maximum allowed limit {limit_gib}G."


class NoHost(Condition):
    code = "volume.host.none"
    status = 503
    message = "No host can take the volume now: none with enough room has reported within the last minute."
    retryable = True


class VolumeDataMissing(Condition):
    code = "volume.driver.volume_missing"
    message = "Volume {volume_id} has no data on this host."


class SnapshotDataMissing(Condition):
    code = "volume.driver.snapshot_missing"
    message = "Snapshot {snapshot_id} has no data on this host."


class SizeTooSmall(Condition):
    code = "volume.driver.size_too_small"
    status = 400
    message = "Volume {volume_id} of {size_gib} GiB cannot hold the {needed_bytes} bytes of its source."


class CopyFailed(Condition):
    code = "volume.driver.copy_failed"
    message = "{command} failed: {reason}"


class TargetFailed(Condition):
    code = "volume.target.failed"
    message = "The volume cannot be exported: {reason}."
    retryable = True


class InUseCopyUnsupported(Condition):
    code = "volume.driver.in_use_copy_unsupported"
    status = 409
    message = (
        "Volume {volume_id} is attached, and the file system of the volume directory cannot clone files (XFS and Btrfs can). "
        "Detach the volume first."
    )


_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def error_body(condition: Condition, request_id: str) -> dict[str, Any]:
    return {_FAULTS.get(condition.status, "computeFault"): {"code": condition.status, "message": condition.text}}
