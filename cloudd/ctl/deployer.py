"""The verbs that are playbooks: their arguments, the question before destruction, and what is said at the end."""

from __future__ import annotations

import sys
from pathlib import Path

from cloudd.ctl import change, paths, playbook
from cloudd.ctl.playbook import Outcome
from cloudd.ctl.progress import display
from cloudd.ctl.verb import Verb

CONFIRMATION_FLAG = "--yes-i-really-really-mean-it"
CONFIRMATION_VARIABLE = "yes_i_really_really_mean_it=true"
USAGE_ERROR = 2


def run_verb(verb: Verb, arguments: list[str]) -> int:
    """Run the verb's playbook and tell how it went; the answer is the process's exit status."""
    assert verb.playbook is not None
    if not has_inventory(arguments) and not playbook.needs_terminal(arguments):
        return _refuse(f"which cloud? Say it with -i, for example: ./cloudctl {verb.name} -i inventory/{(inventories() or ['NAME'])[0]}")
    if verb.name == "destroy":
        confirmed = confirm_destroy(arguments)
        if confirmed is None:
            return _refuse("nothing was destroyed")
        arguments = confirmed
    if playbook.needs_terminal(arguments):
        playbook.run_in_terminal(verb.playbook, arguments)
    with display(verb.name) as shown:
        outcome = playbook.run(verb.playbook, arguments, shown)
    for text in outcome.shown:
        print(text)
    if change.are_wanted(arguments):
        print(change.text_of(outcome.changes, arguments))
    # What a program reads is on standard output alone.
    print(report(outcome), file=sys.stderr if outcome.shown else sys.stdout)
    return 0 if outcome.succeeded else 1


def has_inventory(arguments: list[str]) -> bool:
    """Whether the arguments name an inventory."""
    return any(argument.startswith(("-i", "--inventory")) for argument in arguments)


def inventories(directory: Path = paths.INVENTORIES) -> list[str]:
    """The names of the inventories that lie in the repository."""
    return sorted(path.parent.name for path in directory.glob("*/hosts.yml"))


def confirm_destroy(arguments: list[str]) -> list[str] | None:
    """The arguments with Ansible's form of the consent, or nothing when a person says no.

    Without a terminal there is nobody to ask and naming the inventory is the consent.
    """
    given = CONFIRMATION_FLAG in arguments
    arguments = [argument for argument in arguments if argument != CONFIRMATION_FLAG]
    if not given and sys.stdin.isatty():
        answer = input("This removes the cloud with all its instances, volumes and images. Type yes to go on: ")
        given = answer.strip().lower() == "yes"
        if not given:
            return None
    return [*arguments, "-e", CONFIRMATION_VARIABLE]


def report(outcome: Outcome) -> str:
    """The last words of a run: what failed and what to do, or how long each stage took and what changed."""
    log = _shown(outcome.log)
    disturbed = disturbed_table(outcome.disturbed)
    if not outcome.succeeded:
        failures = "\n\n".join(failure.text() for failure in outcome.failures)
        return f"{disturbed}\n{outcome.playbook} failed after {outcome.seconds:.1f} s:\n\n{failures}\n\n  full log {log}"
    stages = stage_table([(name, seconds) for name, seconds in outcome.stages if seconds >= 0.05])
    return f"{stages}\n{disturbed}{outcome.playbook}: done in {outcome.seconds:.1f} s, changed={sum(outcome.changed.values())}  (log {log})"


def stage_table(stages: list[tuple[str, float]]) -> str:
    """Stages and their seconds, one a line."""
    width = max((len(name) for name, _ in stages), default=0)
    return "\n".join(f"  {name:<{width}}  {seconds:7.1f} s" for name, seconds in stages)


def disturbed_table(disturbed: list[tuple[str, str, str]]) -> str:
    """What was restarted or reloaded and on which hosts, in their order, a unit a line; nothing when there is nothing."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for act, unit, host in disturbed:
        hosts.setdefault((act, unit), []).append(host)
    width = max((len(unit) for _, unit in hosts), default=0)
    return "".join(f"  {act:<7}  {unit:<{width}}  {' '.join(names)}\n" for (act, unit), names in hosts.items())


def _shown(path: Path) -> str:
    return str(path.relative_to(paths.ROOT)) if path.is_relative_to(paths.ROOT) else str(path)


def _refuse(why: str) -> int:
    print(f"cloudctl: {why}", file=sys.stderr)
    return USAGE_ERROR
