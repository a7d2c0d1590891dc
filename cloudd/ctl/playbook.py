"""Running one playbook by ansible-runner: its events become progress, a full log, and failures an operator can act on."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import ansible_runner
import yaml

from cloudd.ctl import failure, paths
from cloudd.ctl.change import Change, Changes
from cloudd.ctl.failure import Failure
from cloudd.ctl.progress import Display

# Ansible asks a person for these; a run whose events are read by a program has no terminal to ask on.
ASKING_FLAGS = frozenset({"-k", "-K", "-J", "--ask-pass", "--ask-become-pass", "--ask-vault-pass", "--ask-vault-password", "--step"})
DISTURBING = frozenset({"restart", "reload"})
# They print something and run nothing: their output is the point.
LISTING_FLAGS = frozenset({"--list-hosts", "--list-tasks", "--list-tags", "--syntax-check", "--version", "-h", "--help"})


@dataclass(slots=True)
class Outcome:
    """How a playbook's run ended. `changed` counts changed tasks by host; `stages` are (play, seconds)."""

    playbook: str
    log: Path
    succeeded: bool = False
    seconds: float = 0.0
    stages: list[tuple[str, float]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    #: what tasks had to show to a person
    shown: list[str] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    #: services that ran before and were restarted or reloaded, in their order: (`restart` | `reload`, unit, host)
    disturbed: list[tuple[str, str, str]] = field(default_factory=list)


def needs_terminal(arguments: list[str]) -> bool:
    """Whether Ansible itself must have the terminal: it asks something, or only prints a list."""
    return any(argument in ASKING_FLAGS or argument in LISTING_FLAGS for argument in arguments)


def plays_of(playbook: Path) -> list[str]:
    """The names of the plays of a playbook, those it imports included, in their order."""
    names: list[str] = []
    for play in yaml.safe_load(playbook.read_text(encoding="utf-8")) or []:
        imported = play.get("import_playbook") or play.get("ansible.builtin.import_playbook")
        if imported:
            names += plays_of(playbook.parent / imported)
        else:
            names.append(str(play.get("name") or play.get("hosts")))
    return names


class Watch:
    """Follows a run's events: writes the log, tells the display, gathers stages, failures and change counts."""

    def __init__(self, plays: list[str], display: Display, log: TextIO, outcome: Outcome) -> None:
        self._plays, self._display, self._log, self._outcome = plays, display, log, outcome
        self._done, self._stage_start, self._tail = 0, time.monotonic(), list[str]()
        self._changes = Changes()
        outcome.changes = self._changes.found

    def __call__(self, event: dict[str, Any]) -> bool:
        """Take one event; the answer tells the runner to keep it among its artifacts only when it failed."""
        kind, data = event.get("event"), event.get("event_data") or {}
        if event.get("stdout"):
            text = failure.ANSI_COLOUR.sub("", event["stdout"])
            self._log.write(text + "\n")
            self._tail = (self._tail + text.splitlines())[-40:]
        if kind == "playbook_on_play_start":
            self._next_stage(str(data.get("name", "")))
        elif kind == "playbook_on_task_start":
            self._display.task(str(data.get("task", "")))
        elif kind == "playbook_on_stats":
            self.end_stage()
            self._outcome.changed = {host: int(count) for host, count in (data.get("changed") or {}).items()}
        self._changes.take(event)
        result = data.get("res") or {}
        if kind in {"runner_on_ok", "runner_on_failed"} and isinstance(result.get("shown"), str):
            self._outcome.shown.append(result["shown"])
        if data.get("task_action") == "fresh_service" and kind == "runner_on_ok":
            acts = [str(action).split() for action in result.get("actions") or []]
            self._outcome.disturbed += [(act[0], act[-1], str(data.get("host", "?"))) for act in acts if act[0] in DISTURBING]
        failures = failure.from_event(event)
        self._outcome.failures += failures
        return bool(failures)

    def end_stage(self) -> None:
        """Close the present stage: its seconds are known now."""
        if self._outcome.stages:
            name, _ = self._outcome.stages[-1]
            self._outcome.stages[-1] = (name, time.monotonic() - self._stage_start)

    def failure_without_task(self) -> Failure:
        """What the output says when no task failed and yet the run did."""
        return failure.from_output(self._tail)

    def _next_stage(self, name: str) -> None:
        self.end_stage()
        self._stage_start = time.monotonic()
        self._display.stage(name, self._done, max(len(self._plays), self._done + 1))
        self._done += 1
        self._outcome.stages.append((name, 0.0))


def run(playbook: Path, arguments: list[str], display: Display) -> Outcome:
    """Run a playbook with Ansible's own arguments and tell how it ended; a failed run is an outcome, not an exception."""
    ident = f"{datetime.now():%Y%m%d-%H%M%S}-{playbook.stem}"
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(playbook.stem, paths.LOGS / f"{ident}.log")
    private = paths.RUNNER / ident
    private.mkdir(parents=True, exist_ok=True, mode=0o700)
    start = time.monotonic()
    try:
        with outcome.log.open("w", encoding="utf-8") as log:
            log.write(f"# {shlex.join(['ansible-playbook', *arguments, str(playbook)])}\n")
            watch = Watch(plays_of(playbook), display, log, outcome)
            runner = ansible_runner.run(
                private_data_dir=str(private),
                project_dir=str(paths.ROOT),
                playbook=str(playbook),
                cmdline=shlex.join(arguments),
                envvars=environment(),
                event_handler=watch,
                quiet=True,
            )
            if runner.status == "canceled":
                raise KeyboardInterrupt
            outcome.succeeded = runner.rc == 0
            if not outcome.succeeded and not outcome.failures:
                outcome.failures.append(watch.failure_without_task())
    finally:
        shutil.rmtree(private, ignore_errors=True)
    outcome.seconds = time.monotonic() - start
    return outcome


def environment() -> dict[str, str]:
    """What Ansible's process needs beside the present environment."""
    return {
        "PATH": paths.search_path(),
        "ANSIBLE_CONFIG": str(paths.ROOT / "ansible.cfg"),
        # The runner would turn this off for everybody; a lab's inventory turns it off for its own hosts.
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
        "ANSIBLE_NOCOLOR": "1",
    }


def run_in_terminal(playbook: Path, arguments: list[str]) -> None:
    """Become ansible-playbook itself, for flags that ask a person or print a list."""
    os.chdir(paths.ROOT)
    os.environ.update(environment())
    os.execvp("ansible-playbook", ["ansible-playbook", *arguments, str(playbook)])  # noqa: S606  # no shell is wanted
