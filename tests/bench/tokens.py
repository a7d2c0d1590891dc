"""Tokens: how many are issued and checked a second."""

from __future__ import annotations

from typing import Any

from tests.bench.api_client import ApiClient
from tests.bench.load import load


async def tokens(client: ApiClient, callers: tuple[int, ...] = (1, 8), seconds: float = 4) -> dict[str, Any]:
    """Issue by password, and check one token again and again, with so many callers at once."""
    await client.log_in()
    check_headers = {"X-Auth-Token": client.token, "X-Subject-Token": client.token}

    async def issue(number: int) -> bool:
        return (await client.issue_token()).status_code == 201

    async def check(number: int) -> bool:
        return (await client.http.get(f"{client.auth_url}/auth/tokens", headers=check_headers)).status_code == 200

    return {
        f"{name}_by_{count}": await load(call, callers=count, seconds=seconds)
        for name, call in (("issue", issue), ("check", check))
        for count in callers
    }
