"""Fetches an image from the web, and from nowhere inside the cloud's own networks."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from cloudd.image.domain.intake import receive
from cloudd.image.errors import DownloadFailed, DownloadForbidden, ImageTooLarge
from cloudd.image.settings import ImageSettings
from cloudd.kit.errors import Condition

MAX_REDIRECTS = 5


async def fetch(uri: str, target: Path, settings: ImageSettings) -> None:
    """Write what the URI gives to a file. DownloadForbidden, DownloadFailed, ImageTooLarge."""
    try:
        async with _answer(uri, settings) as answer:
            await receive(_limited(answer, settings.size_limit_bytes), target, None, settings.upload_idle_timeout_seconds)
    except httpx.HTTPError as error:
        raise DownloadFailed(uri=uri, reason=str(error) or type(error).__name__) from None
    except Condition as condition:
        if condition.code == "image.upload.broken":
            raise DownloadFailed(uri=uri, reason=condition.text) from None
        raise


async def _limited(answer: httpx.Response, limit_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in answer.aiter_bytes():
        size += len(chunk)
        if size > limit_bytes:
            raise ImageTooLarge(limit_bytes=limit_bytes)
        yield chunk


@asynccontextmanager
async def _answer(uri: str, settings: ImageSettings) -> AsyncIterator[httpx.Response]:
    """The answer after redirects; every hop is checked, and connected to by the very address that was checked."""
    async with httpx.AsyncClient(timeout=settings.upload_idle_timeout_seconds, trust_env=False) as http:
        for _ in range(MAX_REDIRECTS):
            parts = urlsplit(uri)
            host = parts.hostname or ""
            address = await allowed_address(uri, settings.web_download_allowed_hosts)
            url = httpx.URL(uri).copy_with(host=address)
            headers = {"Host": parts.netloc.rpartition("@")[2]}
            request = http.build_request("GET", url, headers=headers, extensions={"sni_hostname": host})
            answer = await http.send(request, stream=True)
            try:
                if answer.is_redirect:
                    uri = urljoin(uri, answer.headers["location"])
                    continue
                if answer.status_code != 200:
                    raise DownloadFailed(uri=uri, reason=f"the server answers {answer.status_code}")
                yield answer
                return
            finally:
                await answer.aclose()
    raise DownloadFailed(uri=uri, reason=f"more than {MAX_REDIRECTS} redirects")


async def allowed_address(uri: str, allowed_hosts: tuple[str, ...]) -> str:
    """An address of the URI's host that may be fetched from. DownloadForbidden for the cloud's own networks."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadForbidden(uri=uri, reason="only http and https URIs with a host are fetched")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise DownloadFailed(uri=uri, reason=str(error)) from None
    address = str(found[0][4][0])
    if parts.hostname in allowed_hosts or ipaddress.ip_address(address).is_global:
        return address
    for network in allowed_hosts:
        try:
            if ipaddress.ip_address(address) in ipaddress.ip_network(network):
                return address
        except ValueError:
            continue  # a name, compared above
    raise DownloadForbidden(uri=uri, reason=f"{address} is no public address, and image.web_download_allowed_hosts does not name it")
