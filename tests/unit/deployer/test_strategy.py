"""The deployment's own strategy tells of every task on every host what Ansible's linear strategy tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deployer.conftest import ROOT

PLAY = """
- hosts: all
  gather_facts: false
  vars: {secret: hidden}
  tasks:
    - name: Set what the others ask for
      ansible.builtin.set_fact: {first: "{{ inventory_hostname == 'a' }}"}
    - name: Run on one host
      ansible.builtin.debug: {msg: here}
      when: first
      register: told
    - name: See that it was registered where it was passed over
      ansible.builtin.assert: {that: [told is skipped or first], quiet: true}
    - name: Tell nobody why
      ansible.builtin.debug: {msg: "{{ secret }}"}
      when: secret == 'another'
      no_log: true
    - name: Run no item
      ansible.builtin.debug: {msg: "{{ item }}"}
      loop: [1, 2]
      when: item > 2
    - name: Never
      when: false
      block:
        - name: Run in a block that is passed over
          ansible.builtin.debug: {msg: "{{ unknown }}"}
    - name: Ask for what is not there
      ansible.builtin.debug: {msg: here}
      when: unknown.asked
      ignore_errors: true
    - name: Include on one host
      ansible.builtin.include_tasks: {file: more.yml}
      when: first
"""
TIMES = {"start", "end", "delta", "duration", "id", "uuid", "path", "exception", "_ansible_parsed"}


def told(strategy: str, directory: Path, status: int = 0) -> tuple[dict[tuple[str, str], Any], Any]:
    """What a run with the strategy tells by task and host, and its counts; without what differs from run to run."""
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STRATEGY": strategy,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
    }
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "a,b,c", "-c", "local", "play.yml"]
    ran = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout + ran.stderr
    run = json.loads(ran.stdout[ran.stdout.index("{") :])
    tasks = [task for play in run["plays"] for task in play["tasks"]]
    results = {(task["task"]["name"], host): lasting(result) for task in tasks for host, result in task["hosts"].items()}
    return results, run["stats"]


def lasting(value: Any) -> Any:
    """The same without times and names that are made anew."""
    if isinstance(value, dict):
        return {key: lasting(inner) for key, inner in value.items() if key not in TIMES}
    return [lasting(inner) for inner in value] if isinstance(value, list) else value


def test_hosts_that_are_passed_over_tell_the_same(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "more.yml").write_text("- name: Say so\n  ansible.builtin.debug: {msg: more}\n")
    ours, ansibles = told("mitogen_linear", tmp_path), told("linear", tmp_path)
    assert ours == ansibles
    stats = ours[1]
    assert stats["b"]["skipped"] == stats["c"]["skipped"] > stats["a"]["skipped"] > 0


def one_after_the_other(**keywords: object) -> list[dict[str, object]]:
    """A play whose second host fails; each host leaves a file when it was touched, one with done when the play went on."""
    begin = {"ansible.builtin.shell": "touch {{ inventory_hostname }}; test {{ inventory_hostname }} != b", "throttle": 1}
    end = {"ansible.builtin.command": "touch {{ inventory_hostname }}-done"}
    return [{"hosts": "all", "gather_facts": False, "tasks": [{"name": "Begin", **begin, **keywords}, {"name": "Go on", **end}]}]


@pytest.mark.parametrize(
    ("keywords", "left"),
    [
        ({}, ["a", "b"]),
        ({"throttle": "{{ 3 - 2 }}"}, ["a", "b"]),
        ({"throttle": 0}, ["a", "b", "c"]),
        ({"any_errors_fatal": False}, ["a", "a-done", "b", "c", "c-done"]),
        ({"ignore_errors": True}, ["a", "a-done", "b", "b-done", "c", "c-done"]),
        ({"when": "inventory_hostname != 'b'"}, ["a", "a-done", "b-done", "c", "c-done"]),
    ],
)
def test_a_task_that_takes_one_host_after_the_other_ends_with_the_first_it_fails_on(
    keywords: dict[str, object], left: list[str], tmp_path: Path
) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(one_after_the_other(**keywords)))
    failed = any(path == "b" for path in left) and "ignore_errors" not in keywords
    results, _ = told("mitogen_linear", tmp_path, status=2 if failed else 0)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] in "abc" and path.name[1:] in {"", "-done"}) == left
    if "c" not in left:
        assert results["Begin", "c"]["skip_reason"] == "Not begun, for it failed on b"
