"""`--check --diff` over a living cloud: nothing where nothing is to be done, and of a changed option just what the real run then does."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.real.quickstart import INVENTORY, Quickstart, cloudctl

pytestmark = pytest.mark.real

CHANGED = re.compile(r"changed=(\d+)")


def deploy(*flags: str) -> str:
    """What the operator's command says of a deployment, and shows of its differences."""
    return cloudctl("deploy", "-i", str(INVENTORY), "--diff", *flags)


def told(said: str) -> list[str]:
    """The tasks that changed something and what differs, without the table of stages and the closing line."""
    return [line for line in said.splitlines() if line.endswith(")") and "  (" in line and not line.startswith((" ", "deploy: "))]


def secrets() -> set[str]:
    """Every secret of the cloud."""
    known = yaml.safe_load((INVENTORY / "passwords.yml").read_text())
    return {text for value in known.values() for text in (value if isinstance(value, list) else [value])}


def test_nothing_is_foretold_where_nothing_is_to_be_done(quickstart: Quickstart) -> None:
    said = deploy("--check")
    assert CHANGED.findall(said) == ["0"]
    assert told(said) == []


def test_a_changed_option_is_foretold_as_it_then_comes(quickstart: Quickstart) -> None:
    before = quickstart.on_hosts("cat /etc/cloudd/*.yaml; systemctl show --property=ActiveEnterTimestampMonotonic 'cloudd-*'")
    option = ("-e", "cloudd_log_level=debug")
    foretold = deploy("--check", *option)
    assert quickstart.on_hosts("cat /etc/cloudd/*.yaml; systemctl show --property=ActiveEnterTimestampMonotonic 'cloudd-*'") == before
    try:
        came = deploy(*option)
        assert CHANGED.findall(foretold) == CHANGED.findall(came) != ["0"]
        assert told(foretold) == told(came)
        assert quickstart.on_hosts("cat /etc/cloudd/*.yaml") != before
    finally:
        deploy()
    differs = [line.strip() for line in foretold.splitlines() if re.match(r"    [-+] ", line)]
    assert set(differs) == {"-  level: info", "+  level: debug"}
    assert re.search(r"systemctl restart cloudd-\w+\.service", foretold)
    assert not [unit for unit in ("mariadb", "rabbitmq-server", "libvirtd", "ovn-controller") if f"restart {unit}" in foretold]
    assert not [secret for secret in secrets() if secret in foretold + came]
    assert CHANGED.findall(deploy("--check")) == ["0"]
