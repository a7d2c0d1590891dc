"""The bytes of images over HTTP: upload, staging, import, download."""

import re
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, Response
from litestar.response import Stream

from cloudd.image.domain.importing import Imports, ImportSpec
from cloudd.image.domain.upload import Content, Uploads
from cloudd.image.errors import WrongMediaType
from cloudd.kit.auth import Context
from cloudd.kit.web import route


def body_of(request: Request[Any, Any, Any]) -> tuple[AsyncIterator[bytes], int | None]:
    """The body as it comes, and its announced length."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/octet-stream":
        raise WrongMediaType(expected="application/octet-stream")
    announced = request.headers.get("content-length", "")
    return request.stream(), int(announced) if announced.isdigit() else None


def range_of(request: Request[Any, Any, Any]) -> tuple[int | None, int | None] | None:
    """The first and last byte of a Range header; one that is not understood is ignored, as HTTP says."""
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", request.headers.get("range", "").strip())
    if match is None or not (match[1] or match[2]):
        return None
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] else None


def answer_of(content: Content) -> Stream:
    """A content as it is sent."""
    headers = {"Content-Length": str(content.length), "Accept-Ranges": "bytes"}
    if content.range is not None:
        headers["Content-Range"] = content.range
    elif content.image.checksum:
        headers["Content-MD5"] = content.image.checksum
    status = 200 if content.range is None else 206
    return Stream(content.chunks, status_code=status, media_type="application/octet-stream", headers=headers)


@route("PUT", "/v2/images/{image_id:str}/file", rule="image:upload_image", status=204, request_max_body_size=None)
async def upload_file(ctx: Context, image_id: str, request: Request[Any, Any, Any], uploads: Uploads) -> None:
    await uploads.upload(ctx, image_id, *body_of(request))


@route("PUT", "/v2/images/{image_id:str}/stage", rule="image:upload_image", status=204, request_max_body_size=None)
async def stage_file(ctx: Context, image_id: str, request: Request[Any, Any, Any], uploads: Uploads) -> None:
    await uploads.stage(ctx, image_id, *body_of(request))


@route("POST", "/v2/images/{image_id:str}/import", rule="image:upload_image", status=202)
async def import_image(ctx: Context, image_id: str, data: ImportSpec, imports: Imports) -> Response[bytes]:
    await imports.start(ctx, image_id, data)
    return Response(b"", status_code=202, media_type="application/json")


@route("GET", "/v2/images/{image_id:str}/file", rule="image:download_image")
async def download_file(ctx: Context, image_id: str, request: Request[Any, Any, Any], uploads: Uploads) -> Response[Any]:
    content = await uploads.download(ctx, image_id, range_of(request))
    if content is None:
        return Response(None, status_code=204)
    return answer_of(content)
