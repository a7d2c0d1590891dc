"""Real runs of small playbooks: progress, log, outcome and failures come out as a person is to see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudd.ctl import deployer, paths, playbook

PLAYBOOK = """---
# Says something.
- name: First
  hosts: here
  gather_facts: false
  tasks:
    - name: Say something
      ansible.builtin.debug:
        msg: something
      changed_when: true
- name: Second
  hosts: here
  gather_facts: false
  tasks:
    - name: Fail perhaps
      ansible.builtin.fail:
        msg: as it was asked to
      when: fail_wanted | default(false) | bool
"""


class Recorder:
    """A display that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float, float]] = []
        self.tasks: list[str] = []

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def stage(self, name: str, done: float, total: float) -> None:
        self.stages.append((name, done, total))

    def task(self, name: str) -> None:
        self.tasks.append(name)

    def say(self, text: str) -> None:
        self.tasks.append(text)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(paths, "LOGS", tmp_path / "log")
    monkeypatch.setattr(paths, "RUNNER", tmp_path / "runner")
    monkeypatch.setenv("ANSIBLE_STRATEGY", "ansible.builtin.linear")
    (tmp_path / "small.yml").write_text(PLAYBOOK, encoding="utf-8")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n", encoding="utf-8")
    return ["-i", str(tmp_path / "hosts.yml")]


def test_a_good_run(here: list[str], tmp_path: Path) -> None:
    shown = Recorder()
    outcome = playbook.run(tmp_path / "small.yml", here, shown)
    assert outcome.succeeded, outcome.failures
    assert shown.stages == [("First", 0, 2), ("Second", 1, 2)]
    assert shown.tasks == ["Say something", "Fail perhaps"]
    assert outcome.changed == {"here": 1}
    assert [(change.task, change.host) for change in outcome.changes] == [("Say something", "here")]
    assert [name for name, _ in outcome.stages] == ["First", "Second"]
    assert "changed=1" in deployer.report(outcome)
    log = outcome.log.read_text(encoding="utf-8")
    assert "TASK [Say something]" in log
    assert "\x1b" not in log
    assert not any((tmp_path / "runner").iterdir())


def test_a_failing_run_says_where_and_why(here: list[str], tmp_path: Path) -> None:
    outcome = playbook.run(tmp_path / "small.yml", [*here, "-e", "fail_wanted=true"], Recorder())
    assert not outcome.succeeded
    (failure,) = outcome.failures
    assert (failure.host, failure.task, failure.reason) == ("here", "Fail perhaps", "as it was asked to")
    assert "as it was asked to" in deployer.report(outcome)


def test_a_run_without_inventory_file_is_explained(here: list[str], tmp_path: Path) -> None:
    outcome = playbook.run(tmp_path / "small.yml", [*here, "--vault-password-file", "/nonexistent"], Recorder())
    assert not outcome.succeeded
    assert "/nonexistent" in outcome.failures[0].reason


def test_plays_of_imported_playbooks_are_counted(tmp_path: Path) -> None:
    (tmp_path / "inner.yml").write_text("---\n# x\n- name: Inner\n  hosts: all\n", encoding="utf-8")
    (tmp_path / "outer.yml").write_text("---\n# x\n- name: Import\n  import_playbook: inner.yml\n- hosts: two\n", encoding="utf-8")
    assert playbook.plays_of(tmp_path / "outer.yml") == ["Inner", "two"]


@pytest.mark.parametrize("flag", ["--ask-vault-pass", "--list-tasks", "-K"])
def test_flags_that_need_the_terminal(flag: str) -> None:
    assert playbook.needs_terminal(["-i", "x", flag])
    assert not playbook.needs_terminal(["-i", "x", "--check"])


def test_what_was_restarted_where_is_told_at_the_end(tmp_path: Path) -> None:
    outcome = playbook.Outcome("reconfigure", tmp_path / "log", succeeded=True)
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        watch = playbook.Watch([], Recorder(), log, outcome)
        for host, actions in (
            ("c1", ["daemon-reload", "restart a.service", "reload b.service"]),
            ("c2", ["restart a.service", "start c.service"]),
        ):
            watch({"event": "runner_on_ok", "event_data": {"task_action": "fresh_service", "host": host, "res": {"actions": actions}}})
    assert outcome.disturbed == [("restart", "a.service", "c1"), ("reload", "b.service", "c1"), ("restart", "a.service", "c2")]
    told = deployer.report(outcome)
    assert "  restart  a.service  c1 c2\n  reload   b.service  c1\n" in told
    assert "c.service" not in told
