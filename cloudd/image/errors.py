"""The image service's conditions and the shape of its errors."""

from http import HTTPStatus
from typing import Any

from cloudd.kit.errors import Condition


class ImageNotFound(Condition):
    code = "image.image.not_found"
    status = 404
    message = "Failed to find image {image_id}"


class ImageExists(Condition):
    code = "image.image.exists"
    status = 409
    message = "Image ID {image_id} already exists!"


class ImageForbidden(Condition):
    code = "image.image.forbidden"
    status = 403
    message = "You are not permitted to change image {image_id}: it belongs to another project."


class ImageProtected(Condition):
    code = "image.image.protected"
    status = 403
    message = "Image {image_id} is protected and cannot be deleted."


class PublicNeedsAdmin(Condition):
    code = "image.image.public_needs_admin"
    status = 403
    message = "You are not authorized to make an image public."


class OwnerNeedsAdmin(Condition):
    code = "image.image.owner_needs_admin"
    status = 403
    message = "You are not permitted to create images owned by '{owner}'."


class ImageStatusConflict(Condition):
    code = "image.image.status_conflict"
    status = 409
    message = "Image {image_id} is {found}; the operation needs it to be {wanted}."


class ImageDeactivated(Condition):
    code = "image.image.deactivated"
    status = 403
    message = "The requested image has been deactivated. Image data download is forbidden."


class AttributeReadOnly(Condition):
    code = "image.image.attribute_read_only"
    status = 403
    message = "Attribute '{attribute}' is read-only."


class AttributeReserved(Condition):
    code = "image.image.attribute_reserved"
    status = 403
    message = "Attribute '{attribute}' is reserved."


class FormatFixed(Condition):
    code = "image.image.format_fixed"
    status = 403
    message = "Attribute {attribute} can be only replaced for a queued image."


class FormatsMissing(Condition):
    code = "image.upload.formats_missing"
    status = 400
    message = "Properties disk_format, container_format must be set prior to saving data."


class ContentMismatch(Condition):
    code = "image.upload.content_mismatch"
    status = 400
    message = "Image content does not match disk_format {claimed}: {reason}. Set the right disk_format and upload again."


class UnsafeContent(Condition):
    code = "image.upload.unsafe_content"
    status = 400
    message = "Image content of format {claimed} is not safe to use: {reason}."


class UploadBroken(Condition):
    code = "image.upload.broken"
    status = 400
    message = "The upload ended early ({reason}); the image is queued again."


class UploadStalled(Condition):
    code = "image.upload.stalled"
    status = 408
    message = "No data came for {seconds} seconds; the image is queued again."


class ImageTooLarge(Condition):
    code = "image.upload.too_large"
    status = 413
    message = "The image exceeds the limit of {limit_bytes} bytes."


class StorageFull(Condition):
    code = "image.upload.storage_full"
    status = 413
    message = "The image does not fit into the image store."


class RangeUnsatisfiable(Condition):
    code = "image.download.range_unsatisfiable"
    status = 416
    message = "The range {range} lies outside of the image's {size_bytes} bytes."


class MemberNotFound(Condition):
    code = "image.member.not_found"
    status = 404
    message = "{member_id} is no member of image {image_id}."


class MemberExists(Condition):
    code = "image.member.exists"
    status = 409
    message = "{member_id} is a member of image {image_id} already."


class NotShared(Condition):
    code = "image.member.not_shared"
    status = 403
    message = "Only images of visibility 'shared' have members; image {image_id} is {visibility}."


class MemberForbidden(Condition):
    code = "image.member.forbidden"
    status = 403
    message = "You are not permitted to {action} this image member."


class TagNotFound(Condition):
    code = "image.tag.not_found"
    status = 404
    message = "Tag not found: {tag}."


class ImportMethodUnknown(Condition):
    code = "image.import.method_unknown"
    status = 400
    message = "Import method {method!r} is not enabled; enabled are {enabled}."


class DownloadFailed(Condition):
    code = "image.import.download_failed"
    status = 400
    message = "{uri} could not be fetched: {reason}."


class StagedContentLost(Condition):
    code = "image.import.staged_content_lost"
    status = 409
    message = "What was staged for image {image_id} is on no host any more; stage it again."


class DownloadForbidden(Condition):
    code = "image.import.download_forbidden"
    status = 400
    message = "{uri} is not allowed: {reason}."


class TransferFailed(Condition):
    code = "image.transfer.failed"
    status = 502
    message = "The file of image {image_id} did not come through: {reason}."
    retryable = True


class TransferCorrupt(Condition):
    code = "image.transfer.corrupt"
    status = 502
    message = "The file of image {image_id} came through damaged: {reason}."
    retryable = True


class TicketRefused(Condition):
    code = "image.transfer.ticket_refused"
    status = 403
    message = "This address of an image file is not valid, or not any more."


class TooFewHosts(Condition):
    code = "image.host.too_few"
    status = 503
    message = "Only {alive} of {all} image hosts take files now, and an image is kept by {needed} at least. Try again when more are up."
    retryable = True


class HostUnknown(Condition):
    code = "image.host.not_found"
    status = 404
    message = "{host} is no image host."


class WrongMediaType(Condition):
    code = "image.wrong_media_type"
    status = 415
    message = "Send this body as {expected}."


def error_body(condition: Condition, request_id: str) -> dict[str, Any]:
    phrase = HTTPStatus(condition.status).phrase
    return {"message": condition.text, "code": f"{condition.status} {phrase}", "title": phrase}
