"""A steady load on the APIs, and a writer that remembers every write it was promised."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

#: A request every so often, whether the last one has been answered or not: clients do not wait for each other.
READ_SECONDS = 0.1
WRITE_SECONDS = 0.5
#: How long a client waits, as openstacksdk does.
TIMEOUT_SECONDS = 60.0
UNAUTHORIZED = 401
HARNESS_ATTEMPTS = 8


@dataclass
class Sample:
    """One request: when it was sent and answered (monotonic seconds), and what was wrong with it."""

    path: str
    sent: float
    answered: float = 0.0
    error: str | None = None


@dataclass
class Api:
    """The cloud's APIs by plain HTTP: no retry, and a new connection for each request, so that nothing hides a fault."""

    url: str
    ca_path: str
    credentials: dict[str, Any]
    token: str = ""
    _transport: Any = None

    def __post_init__(self) -> None:
        self._transport = httpx.create_ssl_context(verify=True, trust_env=False)
        self._transport.load_verify_locations(self.ca_path)

    async def request(self, method: str, path: str, body: Any = None, content: Any = None, **headers: str) -> httpx.Response:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(verify=self._transport, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False) as client:
            return await client.request(
                method, self.url + path, json=body, content=content, headers={"X-Auth-Token": self.token, **headers}
            )

    async def surely(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request of the harness itself, which the fault under trial must not hit: asked again for half a minute."""
        for attempt in range(HARNESS_ATTEMPTS):
            with contextlib.suppress(httpx.HTTPError):
                answer = await self.request(method, path, body)
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(attempt)
        raise AssertionError(f"{method} {path} is not answered, {HARNESS_ATTEMPTS} times in a row")

    async def log_in(self) -> None:
        """A token for the requests that follow."""
        auth = {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": self.credentials["username"], "domain": {"id": "default"}, "password": self.credentials["password"],
            }}},
            "scope": {"project": {"name": self.credentials["project_name"], "domain": {"id": "default"}}},
        }  # fmt: skip
        answer = await self.surely("POST", "/identity/v3/auth/tokens", {"auth": auth})
        answer.raise_for_status()
        self.token = answer.headers["x-subject-token"]


@dataclass
class Load:
    """Reads of every service by turns, and writes; `samples` holds each request, `promised` each acknowledged write."""

    api: Api
    samples: list[Sample] = field(default_factory=list)
    promised: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    prefix: str = field(default_factory=lambda: f"faulttest-{secrets.token_hex(3)}")

    READS = (
        "/compute/v2.1/servers/detail",
        "/network/v2.0/ports",
        "/identity/v3/projects",
        "/image/v2/images",
        "/volume/v3/volumes/detail",
        "/placement/resource_providers",
        "/compute/v2.1/flavors/detail",
    )

    async def run(self) -> None:
        """Until cancelled; then what is under way is waited for."""
        try:
            await asyncio.gather(self._reads(), self._writes())
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=TIMEOUT_SECONDS + 5)

    async def _reads(self) -> None:
        for path in itertools.cycle(self.READS):
            self._spawn(self._ask("GET", path))
            await asyncio.sleep(READ_SECONDS)

    async def _writes(self) -> None:
        for number in itertools.count():
            self._spawn(self._write(f"{self.prefix}-{number}"))
            await asyncio.sleep(WRITE_SECONDS)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        sample = Sample(path, time.monotonic())
        self.samples.append(sample)
        answer = None
        try:
            answer = await self.api.request(method, path, body)
            if answer.status_code >= 500 or answer.status_code == UNAUTHORIZED:
                sample.error = f"{answer.status_code} {answer.text[:120]}"
        except httpx.HTTPError as error:
            sample.error = f"{type(error).__name__} {error}"
        sample.answered = time.monotonic()
        return answer if sample.error is None else None

    async def _write(self, name: str) -> None:
        answer = await self._ask(
            "POST", "/network/v2.0/security-groups", {"security_group": {"name": name, "description": "a promised write"}}
        )
        if answer is not None and answer.is_success:
            self.promised.append(answer.json()["security_group"]["id"])

    async def lift_quota(self) -> None:
        """Let the writer write as much as it likes."""
        projects = await self.api.surely("GET", f"/identity/v3/projects?name={self.api.credentials['project_name']}")
        project_id = projects.json()["projects"][0]["id"]
        quota = {"quota": {"security_group": -1, "security_group_rule": -1}}
        (await self.api.surely("PUT", f"/network/v2.0/quotas/{project_id}", quota)).raise_for_status()

    async def lost(self) -> list[str]:
        """The promised writes that are not there. Call it when the cloud is well; it deletes what it finds."""
        answer = await self.api.surely("GET", "/network/v2.0/security-groups?fields=id&fields=name")
        answer.raise_for_status()
        there = {group["id"]: group["name"] for group in answer.json()["security_groups"]}
        missing = [group for group in self.promised if group not in there]
        for group in [group for group, name in there.items() if name.startswith(self.prefix)]:
            with contextlib.suppress(httpx.HTTPError):
                await self.api.request("DELETE", f"/network/v2.0/security-groups/{group}")
        return missing


def failed(samples: Iterable[Sample]) -> list[Sample]:
    """The requests that were not answered as they should be."""
    return [sample for sample in samples if sample.error]


def longest_outage_seconds(samples: Iterable[Sample], since: float) -> float:
    """The longest time in which no request was answered well, less the usual pause between requests."""
    moments = sorted([since, *(sample.answered for sample in samples if not sample.error and sample.answered >= since)])
    return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)
