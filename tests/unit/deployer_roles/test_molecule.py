"""Each role that a deployment brings to hosts has a Molecule scenario, and none can pass without having looked."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.unit.deployer_roles.conftest import ROOT

SCENARIOS = {path.parents[1].name: path for path in sorted(ROOT.glob("roles/*/molecule/default"))}
# What runs on the deployment host.
ELSEWHERE = {"wheelhouse"}


def plays(path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return [play for play in found if "hosts" in play]


def roles_of(tag: str) -> set[str]:
    """The roles that a deployment with just this tag runs."""
    there = plays("playbooks/bootstrap_servers.yml") + plays("playbooks/deploy.yml")
    imported = [task.get("ansible.builtin.import_role", {}) for play in there if tag in play["tags"] for task in play["tasks"]]
    return {role["name"] for role in imported if "name" in role and "tasks_from" not in role}


def test_every_role_of_a_deployment_has_a_scenario() -> None:
    tags = {tag for path in ("playbooks/bootstrap_servers.yml", "playbooks/deploy.yml") for play in plays(path) for tag in play["tags"]}
    assert set().union(*map(roles_of, tags)) - ELSEWHERE == set(SCENARIOS)


@pytest.mark.parametrize("role", SCENARIOS)
def test_a_scenario_deploys_its_role(role: str) -> None:
    settings = yaml.safe_load((SCENARIOS[role] / "molecule.yml").read_text(encoding="utf-8"))
    roles = [roles_of(tag) for tag in settings["provisioner"]["options"]["tags"].split(",")]
    assert all(roles), "a tag that no play has chooses nothing"
    assert role in set().union(*roles)


@pytest.mark.parametrize("role", SCENARIOS)
def test_a_scenario_is_verified_whatever_its_tags(role: str) -> None:
    looks = plays(str(SCENARIOS[role] / "verify.yml"))
    assert looks
    assert all(play["tags"] == ["always"] and play["tasks"] for play in looks)
