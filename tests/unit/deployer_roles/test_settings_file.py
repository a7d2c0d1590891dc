"""A change of settings is shown without the secrets among them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from cloudd.ctl import playbook
from tests.unit.deployer_roles.conftest import ROOT

SETTINGS = {
    "database": {"url": "mysql://cloudd:hunter2@127.0.0.1:3306/cloudd", "ca_path": "/etc/ca.pem"},
    "api": {"port": 443, "tls_key_path": "/etc/host.key"},
    "identity": {"token_keys": ["one-key", "two-key"]},
    "dns": {"transfer_secret": "swordfish"},
    "log": {"level": "info"},
}
SECRETS = ("hunter2", "one-key", "two-key", "swordfish", "mellon")


@pytest.fixture(scope="module")
def action(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/settings_file.py")


def texts(action: ModuleType, before: object, after: object) -> tuple[str, str]:
    shown = action.difference(yaml.safe_dump(before), yaml.safe_dump(after), "/etc/x.yaml")
    assert not [secret for secret in SECRETS if secret in str(shown)]
    return shown["before"], shown["after"]


def test_no_secret_is_shown_and_everything_else_is(action: ModuleType) -> None:
    before, after = texts(action, {}, SETTINGS)
    assert before == ""
    shown = yaml.safe_load(after)
    assert shown["database"] == {"url": "mysql://cloudd:(a secret)@127.0.0.1:3306/cloudd", "ca_path": "/etc/ca.pem"}
    assert shown["api"] == SETTINGS["api"]
    assert shown["identity"] == {"token_keys": "(a secret)"}
    assert shown["log"] == {"level": "info"}


def test_an_option_that_changes_is_the_only_difference(action: ModuleType) -> None:
    before, after = texts(action, SETTINGS, SETTINGS | {"log": {"level": "debug"}})
    assert set(after.splitlines()) - set(before.splitlines()) == {"  level: debug"}


def test_a_secret_that_changes_is_told_and_not_shown(action: ModuleType) -> None:
    changed = SETTINGS | {"dns": {"transfer_secret": "mellon"}, "database": {"url": "mysql://cloudd:mellon@127.0.0.1:3306/cloudd"}}
    before, after = texts(action, SETTINGS, changed)
    assert "transfer_secret: (a secret)" in before
    assert "transfer_secret: (another secret)" in after
    assert "cloudd:(another secret)@127" in after


def test_a_file_is_written_and_foretold(tmp_path: Path) -> None:
    path, hosts, play = tmp_path / "settings.yaml", tmp_path / "hosts.yml", tmp_path / "play.yml"
    hosts.write_text("all: {hosts: {here: {ansible_connection: local}}}\n", encoding="utf-8")
    content = yaml.safe_dump(SETTINGS | {"log": {"level": "{{ level }}"}})
    task = {"settings_file": {"dest": str(path), "content": "# Made.\n" + content, "mode": "0600"}, "register": "made"}
    shown = {"ansible.builtin.debug": {"msg": "{{ made.written | default('nothing') }}"}}
    whole = {"hosts": "all", "gather_facts": False, "vars": {"level": "info"}, "tasks": [task, shown]}
    play.write_text(yaml.safe_dump([whole]), encoding="utf-8")

    def run(*flags: str) -> str:
        done = subprocess.run(
            ["ansible-playbook", "-i", str(hosts), *flags, str(play)],
            cwd=ROOT,
            env=os.environ | playbook.environment() | {"ANSIBLE_STRATEGY": "ansible.builtin.linear"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not [secret for secret in SECRETS if secret in done.stdout]
        return done.stdout

    assert "+  level: info" in run("--check", "--diff", "-vvv")
    assert not path.exists()
    assert "changed=1" in run("--diff", "-vvv")
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == SETTINGS
    assert path.stat().st_mode & 0o777 == 0o600
    assert "changed=0" in run("--check", "--diff")
    told = run("--check", "--diff", "-e", "level=debug")
    assert "-  level: info" in told
    assert "+  level: debug" in told
    assert str(path) in told
