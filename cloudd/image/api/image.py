"""Images and their tags over HTTP."""

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response

from cloudd.image.api.shapes import Links, image_view
from cloudd.image.domain.attribute import SETTABLE, as_text, check_settable
from cloudd.image.domain.image import Images, ImageSpec
from cloudd.image.domain.importing import Imports
from cloudd.image.domain.listing import parse_listing
from cloudd.image.domain.patch import parse, split
from cloudd.image.errors import WrongMediaType
from cloudd.kit.auth import Context
from cloudd.kit.body import decode
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import parse_page
from cloudd.kit.web import route

SORTABLE = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at", "visibility", "owner")
_PATCH_TYPES = {
    "application/openstack-images-v2.1-json-patch": False,
    "application/openstack-images-v2.0-json-patch": True,
}
ImageKey = Annotated[str, msgspec.Meta(min_length=1)]


def spec_of(body: dict[str, Any]) -> ImageSpec:
    """The base attributes and the properties of a new image's body."""
    base, properties = {}, {}
    for name, value in body.items():
        if name in SETTABLE or name == "id":
            base[name] = value
        else:
            check_settable(name)
            properties[name] = as_text(value)
    try:
        spec = msgspec.convert(base, ImageSpec)
    except msgspec.ValidationError as error:
        raise BadRequest(reason=f"Provided object does not match schema 'image': {error}") from None
    spec.properties = properties
    return spec


@route("POST", "/v2/images", rule="image:add_image", status=201)
async def create_image(ctx: Context, request: Request[Any, Any, Any], images: Images, imports: Imports, links: Links) -> Response[Any]:
    """The body is flat: whatever is no attribute of images is a property, which no fixed shape can tell."""
    image = await images.create(ctx, spec_of(decode(await request.body(), dict[str, Any])))
    headers = {"Location": f"{links.base}/v2/images/{image.id}", "OpenStack-image-import-methods": ",".join(imports.methods)}
    return Response(image_view(image), status_code=201, headers=headers)


@route("GET", "/v2/images", rule="image:get_images")
async def list_images(ctx: Context, request: Request[Any, Any, Any], images: Images) -> dict[str, Any]:
    query = request.query_params
    page = parse_page(query, SORTABLE, [("created_at", True)])
    found = await images.page(ctx, page, parse_listing(query))
    kept = [(key, value) for key, value in query.multi_items() if key != "marker"]
    body = {"images": [image_view(image) for image in found], "schema": "/v2/schemas/images", "first": _listed(kept)}
    if len(found) == page.limit:
        body["next"] = _listed([*kept, ("marker", found[-1].id)])
    return body


def _listed(query: list[tuple[str, str]]) -> str:
    return f"/v2/images?{urlencode(query)}" if query else "/v2/images"


@route("GET", "/v2/images/{image_id:str}", rule="image:get_image")
async def show_image(ctx: Context, image_id: str, images: Images) -> dict[str, Any]:
    return image_view(await images.show(ctx, image_id))


@route("PATCH", "/v2/images/{image_id:str}", rule="image:modify_image")
async def update_image(ctx: Context, image_id: str, request: Request[Any, Any, Any], images: Images) -> dict[str, Any]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _PATCH_TYPES:
        raise WrongMediaType(expected=" or ".join(_PATCH_TYPES))
    operations = parse(decode(await request.body(), list[Any]), old_notation=_PATCH_TYPES[media_type])
    present = (await images.show(ctx, image_id)).properties
    return image_view(await images.update(ctx, image_id, *split(operations, present)))


@route("DELETE", "/v2/images/{image_id:str}", rule="image:delete_image", status=204)
async def delete_image(ctx: Context, image_id: str, images: Images) -> None:
    await images.delete(ctx, image_id)


@route("POST", "/v2/images/{image_id:str}/actions/deactivate", rule="image:deactivate", status=204)
async def deactivate_image(ctx: Context, image_id: str, images: Images) -> None:
    await images.set_active(ctx, image_id, active=False)


@route("POST", "/v2/images/{image_id:str}/actions/reactivate", rule="image:reactivate", status=204)
async def reactivate_image(ctx: Context, image_id: str, images: Images) -> None:
    await images.set_active(ctx, image_id, active=True)


@route("PUT", "/v2/images/{image_id:str}/tags/{tag:str}", rule="image:modify_image", status=204)
async def add_tag(ctx: Context, image_id: str, tag: str, images: Images) -> None:
    await images.add_tag(ctx, image_id, tag)


@route("DELETE", "/v2/images/{image_id:str}/tags/{tag:str}", rule="image:modify_image", status=204)
async def remove_tag(ctx: Context, image_id: str, tag: str, images: Images) -> None:
    await images.remove_tag(ctx, image_id, tag)
