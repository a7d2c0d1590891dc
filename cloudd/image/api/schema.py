"""The JSON schemas that clients of the image API ask for."""

from typing import Any, get_args

from cloudd.image.domain.attribute import CONTAINER_FORMATS
from cloudd.image.domain.image import Visibility
from cloudd.image.domain.inspection import DISK_FORMATS
from cloudd.kit.errors import NotFound
from cloudd.kit.web import route

_TIME = {"type": "string", "readOnly": True}
_UUID = r"^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
_IMAGE: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "pattern": _UUID, "description": "An identifier for the image"},
    "name": {"type": ["null", "string"], "maxLength": 255, "description": "Descriptive name for the image"},
    "status": {
        "type": "string",
        "readOnly": True,
        "enum": ["queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"],
        "description": "Status of the image",
    },
    "visibility": {"type": "string", "enum": list(get_args(Visibility)), "description": "Scope of image accessibility"},
    "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
    "os_hidden": {"type": "boolean", "description": "If true, image will not appear in default image list response."},
    "checksum": {"type": ["null", "string"], "readOnly": True, "maxLength": 32, "description": "md5 hash of image contents."},
    "os_hash_algo": {"type": ["null", "string"], "readOnly": True, "maxLength": 64, "description": "Algorithm of os_hash_value"},
    "os_hash_value": {"type": ["null", "string"], "readOnly": True, "maxLength": 128, "description": "Digest of the image contents"},
    "owner": {"type": ["null", "string"], "maxLength": 255, "description": "Owner of the image"},
    "size": {"type": ["null", "integer"], "readOnly": True, "description": "Size of image file in bytes"},
    "virtual_size": {"type": ["null", "integer"], "readOnly": True, "description": "Virtual size of image in bytes"},
    "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS], "description": "Format of the container"},
    "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS], "description": "Format of the disk"},
    "created_at": {**_TIME, "description": "Date and time of image registration"},
    "updated_at": {**_TIME, "description": "Date and time of the last image modification"},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}, "description": "List of strings related to the image"},
    "self": {"type": "string", "readOnly": True, "description": "An image self url"},
    "file": {"type": "string", "readOnly": True, "description": "An image file url"},
    "schema": {"type": "string", "readOnly": True, "description": "An image schema url"},
    "stores": {"type": "string", "readOnly": True, "description": "Stores in which the image data resides"},
    "min_ram": {"type": "integer", "description": "Amount of ram (in MB) required to boot image."},
    "min_disk": {"type": "integer", "description": "Amount of disk space (in GB) required to boot image."},
}
_MEMBER: dict[str, dict[str, Any]] = {
    "member_id": {"type": "string", "description": "An identifier for the image member (tenantId)"},
    "image_id": {"type": "string", "pattern": _UUID, "description": "An identifier for the image"},
    "created_at": {**_TIME, "description": "Date and time of image member creation"},
    "updated_at": {**_TIME, "description": "Date and time of last modification of image member"},
    "status": {"type": "string", "enum": ["pending", "accepted", "rejected"], "description": "The status of this image member"},
    "schema": {"type": "string", "readOnly": True},
}
_IMAGE_SCHEMA = {
    "name": "image",
    "properties": _IMAGE,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
_MEMBER_SCHEMA = {"name": "member", "properties": _MEMBER}


def _collection(name: str, item: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"type": "array", "items": item}, "schema": {"type": "string"}}
    schema = {"name": name, "properties": properties, "links": [{"rel": "describedby", "href": "{schema}"}]}
    if name == "images":
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}}
        schema["links"] = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, *schema["links"]]
    return schema


SCHEMAS = {
    "image": _IMAGE_SCHEMA,
    "images": _collection("images", _IMAGE_SCHEMA),
    "member": _MEMBER_SCHEMA,
    "members": _collection("members", _MEMBER_SCHEMA),
}


@route("GET", "/v2/schemas/{name:str}", rule="image:get_schemas")
async def show_schema(name: str) -> dict[str, Any]:
    if name not in SCHEMAS:
        raise NotFound(what=f"Schema {name}")
    return SCHEMAS[name]
