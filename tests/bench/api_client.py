"""A bare asynchronous client of the cloud's APIs: what it costs is the network's and the server's time, hardly its own."""

from __future__ import annotations

import ssl
import time
from typing import Any

import httpx

MICROVERSION = "2.90"
TOKEN_RENEWAL_SECONDS = 2400


class ApiClient:
    """Requests by service type and path, with a token that is renewed in time."""

    def __init__(
        self, auth_url: str, password: str, username: str = "admin", project: str = "admin", ca_certificate: str | None = None
    ) -> None:
        self.auth_url = auth_url.rstrip("/")
        verify = ssl.create_default_context(cafile=ca_certificate) if ca_certificate else True
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self.http = httpx.AsyncClient(verify=verify, timeout=60, limits=limits)
        domain = {"name": "Default"}
        user = {"name": username, "domain": domain, "password": password}
        self.credentials = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        self.token = ""
        self.endpoints: dict[str, str] = {}
        self._issued_at = 0.0

    async def issue_token(self) -> httpx.Response:
        """Ask for a new token."""
        return await self.http.post(f"{self.auth_url}/auth/tokens", json=self.credentials)

    async def log_in(self) -> None:
        """Keep a new token and the catalog's public endpoints."""
        answer = await self.issue_token()
        answer.raise_for_status()
        self.token, self._issued_at = answer.headers["x-subject-token"], time.monotonic()
        for entry in answer.json()["token"]["catalog"]:
            for endpoint in entry["endpoints"]:
                if endpoint["interface"] == "public":
                    self.endpoints[entry["type"]] = endpoint["url"].rstrip("/")

    async def request(self, method: str, service: str, path: str, expect: int | None = None, **options: Any) -> httpx.Response:
        """Send one request; a status other than the expected one is an error with the server's own words."""
        if not self.token or time.monotonic() - self._issued_at > TOKEN_RENEWAL_SECONDS:
            await self.log_in()
        headers = {"X-Auth-Token": self.token, "OpenStack-API-Version": f"compute {MICROVERSION}", **options.pop("headers", {})}
        answer = await self.http.request(method, f"{self.endpoints[service]}{path}", headers=headers, **options)
        if expect is not None and answer.status_code != expect:
            raise RuntimeError(f"{method} {service}{path}: {answer.status_code} instead of {expect}: {answer.text[:300]}")
        return answer

    async def get(self, service: str, path: str, **options: Any) -> Any:
        """The body of a GET that must succeed."""
        return (await self.request("GET", service, path, expect=200, **options)).json()

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()
