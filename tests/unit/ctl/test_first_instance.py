"""The log-in to the first instance gives up with words an operator can act on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudd.ctl import first_instance


def test_the_key_is_made_once(tmp_path: Path) -> None:
    key = tmp_path / "sub" / "id_ed25519"
    first = first_instance.public_key(key)
    assert first.startswith("ssh-ed25519 ")
    assert first_instance.public_key(key) == first
    assert key.stat().st_mode & 0o077 == 0


def test_no_log_in_is_a_refusal_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_instance, "LOGIN_TIMEOUT_SECONDS", 0)
    failed = SimpleNamespace(returncode=255, stdout="", stderr="connection refused")
    monkeypatch.setattr(first_instance.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(first_instance.Refused, match="connection refused") as caught:
        first_instance.log_in("203.0.113.9")
    assert "console log show" in caught.value.failure.remedy


def test_another_key_under_the_name_gives_way() -> None:
    calls: list[str] = []

    def record(name: str) -> Any:
        return lambda *_, **__: calls.append(name)

    old = SimpleNamespace(public_key="ssh-ed25519 OLD a")
    compute = SimpleNamespace(find_keypair=lambda _: old, delete_keypair=record("delete"), create_keypair=record("create"))
    first_instance.ensure_keypair(SimpleNamespace(compute=compute), "ssh-ed25519 NEW b")
    assert calls == ["delete", "create"]
    calls.clear()
    first_instance.ensure_keypair(SimpleNamespace(compute=compute), "ssh-ed25519 OLD another-comment")
    assert calls == []
