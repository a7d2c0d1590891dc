"""/v2.1/images: the image service's images as compute told them before 2.36, for clients from that time."""

from typing import Any

from litestar import Request

from cloudd.compute.api.shapes import Links, until
from cloudd.compute.domain.server_image import ServerImages
from cloudd.image.client import Image
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_z
from cloudd.kit.paging import parse_page
from cloudd.kit.web import route

_LAST, _METADATA_LAST = 35, 38
_STATUSES = {
    "queued": "SAVING", "saving": "SAVING", "uploading": "SAVING", "importing": "SAVING", "active": "ACTIVE", "deactivated": "ACTIVE",
    "killed": "ERROR", "deleted": "DELETED", "pending_delete": "DELETED",
}  # fmt: skip

#: a filter's name here, and what the image service calls it
_FILTERS = {
    "name": "name", "status": "status", "server": "instance_uuid", "type": "image_type", "minDisk": "min_disk", "minRam": "min_ram",
}  # fmt: skip


def _brief(image: Image, links: Links) -> dict[str, Any]:
    alternate = {"rel": "alternate", "type": "application/vnd.openstack.image", "href": f"{links.image}/images/{image.id}"}
    return {"id": image.id, "name": image.name, "links": [*links.of("images", image.id), alternate]}


def _view(image: Image, links: Links) -> dict[str, Any]:
    status = _STATUSES.get(image.status, "UNKNOWN")
    view = {
        **_brief(image, links), "status": status, "created": iso_z(image.created_at), "updated": iso_z(image.updated_at),
        "minDisk": image.min_disk, "minRam": image.min_ram, "progress": {"ACTIVE": 100, "SAVING": 50}.get(status, 0),
        "metadata": image.properties, "OS-EXT-IMG-SIZE:size": image.size,
    }  # fmt: skip
    if server_id := image.properties.get("instance_uuid"):
        view["server"] = {"id": server_id, "links": links.of("servers", server_id)}
    return view


async def _page(ctx: Context, request: Request[Any, Any, Any], images: ServerImages) -> list[Image]:
    until(ctx, _LAST)
    query = request.query_params
    filters = {wanted: query[name] for name, wanted in _FILTERS.items() if name in query}
    if "status" in filters:
        filters["status"] = {"ACTIVE": "active", "SAVING": "in:queued,saving,uploading,importing"}.get(query["status"].upper(), "killed")
    if "changes-since" in query:
        filters["updated_at"] = f"gte:{query['changes-since']}"
    return await images.page(ctx, parse_page(query, ["created_at"], [("created_at", True)]), filters)


@route("GET", "/v2.1/images", rule="compute:images")
async def list_images(ctx: Context, request: Request[Any, Any, Any], server_images: ServerImages, links: Links) -> dict[str, Any]:
    return {"images": [_brief(image, links) for image in await _page(ctx, request, server_images)]}


@route("GET", "/v2.1/images/detail", rule="compute:images")
async def list_images_in_detail(ctx: Context, request: Request[Any, Any, Any], server_images: ServerImages, links: Links) -> dict[str, Any]:
    return {"images": [_view(image, links) for image in await _page(ctx, request, server_images)]}


@route("GET", "/v2.1/images/{image_id:str}", rule="compute:images")
async def show_image(ctx: Context, server_images: ServerImages, image_id: str, links: Links) -> dict[str, Any]:
    until(ctx, _LAST)
    return {"image": _view(await server_images.show(ctx, image_id), links)}


@route("DELETE", "/v2.1/images/{image_id:str}", rule="compute:images", status=204)
async def delete_image(ctx: Context, server_images: ServerImages, image_id: str) -> None:
    until(ctx, _LAST)
    await server_images.delete(ctx, image_id)


@route("GET", "/v2.1/images/{image_id:str}/metadata", rule="compute:images")
async def list_image_metadata(ctx: Context, server_images: ServerImages, image_id: str) -> dict[str, Any]:
    until(ctx, _METADATA_LAST)
    return {"metadata": (await server_images.show(ctx, image_id)).properties}
