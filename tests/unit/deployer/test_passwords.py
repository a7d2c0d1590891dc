"""Secrets are made once, kept as they are, never shown, and live in an encrypted file as well as in a plain one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography.fernet import Fernet

from cloudd.ctl import paths, playbook

NAMES = {"identity_admin_password", "identity_token_keys", "database_password", "bus_password"}


@pytest.fixture(scope="module")
def passwords(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/passwords.py")


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text("all: {children: {baremetal: {hosts: {here: {ansible_connection: local}}}}}\n", encoding="utf-8")
    return tmp_path


def make_secrets(inventory: Path, *flags: str, ok: bool = True) -> str:
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), *flags, str(paths.PLAYBOOKS / "passwords.yml")],
        cwd=paths.ROOT,
        env=os.environ | playbook.environment() | {"ANSIBLE_STRATEGY": "ansible.builtin.linear"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_kinds(passwords: ModuleType) -> None:
    assert len(passwords.make("password", 32)) == 32
    keys = passwords.make("fernet_keys", 2)
    assert len({Fernet(key) for key in keys}) == 2
    with pytest.raises(ValueError, match="kind"):
        passwords.make("rot13", 8)


def test_weak_ones_are_named_and_not_shown(passwords: ModuleType) -> None:
    (problem,) = passwords.problems_of({"bus_password": "hunter2", "database_password": passwords.make("password", 32)}, {})
    assert problem["code"] == "passwords.weak"
    assert "bus_password" in problem["reason"]
    assert "hunter2" not in str(problem)


def test_made_once_and_private(inventory: Path) -> None:
    shown = make_secrets(inventory, "-vvv")
    file = inventory / "passwords.yml"
    secrets = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(secrets) == NAMES
    assert file.stat().st_mode & 0o777 == 0o600
    values = [value for name, value in secrets.items() if name != "identity_token_keys"] + secrets["identity_token_keys"]
    assert not [value for value in values if value in shown]
    before = file.read_bytes()
    assert "changed=0" in make_secrets(inventory)
    assert file.read_bytes() == before


def test_an_encrypted_file_is_read_and_completed(inventory: Path, passwords: ModuleType) -> None:
    file, key = inventory / "passwords.yml", inventory / "vault-key"
    before = {name: passwords.make("password", 32) for name in NAMES - {"bus_password", "identity_token_keys"}}
    before["identity_token_keys"] = passwords.make("fernet_keys", 1)
    file.write_text(yaml.safe_dump(before), encoding="utf-8")
    key.write_text("correct horse battery staple", encoding="utf-8")
    vault = ("--vault-password-file", str(key))
    lock = VaultLib([("default", VaultSecret(key.read_bytes()))])
    file.write_bytes(lock.encrypt(file.read_bytes()))
    assert "passwords.unreadable" in make_secrets(inventory, ok=False)
    make_secrets(inventory, *vault)
    after = yaml.safe_load(lock.decrypt(file.read_bytes()))
    assert set(after) == NAMES
    assert all(after[name] == before[name] for name in NAMES - {"bus_password"})


def test_keys_that_seal_nothing_are_named(passwords: ModuleType) -> None:
    wanted = {"identity_token_keys": {"kind": "fernet_keys", "length": 2}}
    for bad in (["x" * 44], [], "abc", passwords.make("fernet_keys", 1)[0], [passwords.make("password", 32)]):
        (problem,) = passwords.problems_of({"identity_token_keys": bad}, wanted)
        assert problem["code"] == "passwords.malformed"
    assert passwords.problems_of({"identity_token_keys": passwords.make("fernet_keys", 3)}, wanted) == []


def test_check_mode_makes_nothing_and_tells_what_it_would(inventory: Path) -> None:
    told = make_secrets(inventory, "--check", "--diff")
    assert not (inventory / "passwords.yml").exists()
    assert "changed=1" in told
    for name in NAMES:
        assert f"+{name}: (a new secret)" in told
    make_secrets(inventory)
    assert "changed=0" in make_secrets(inventory, "--check")
