"""The verbs of the command: one for each playbook, described by the playbook's own first comment, and a few of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloudd.ctl import paths

# Run by `cloudctl lab`, by quickstart, or not meant to be run by themselves.
NOT_VERBS = frozenset({"site", "restarts", "lab_up", "lab_down", "lab_reboot"})

OWN_VERBS = {
    "quickstart": "Make a working cloud in a lab host on this machine, boot its first instance and log in to it",
    "lab": "Make, remove or reboot the lab hosts of an inventory: lab up|down|reboot NAME",
    "test": "Run tests: fast (no root), real (a cloud), several_hosts, membership, molecule (labs); without a word: fast, real",
    "bench": "Measure the cloud and print one JSON object: bench [embedded] [quickstart], or bench scale",
    "faults": "Make faults in a living lab cloud under load and say what each cost: faults -i inventory/lab-ha [NAME …]",
    "lint": "Run every linter and type checker over the repository",
}


@dataclass(frozen=True, slots=True)
class Verb:
    """One word of the command and what it does, in one line."""

    name: str
    summary: str
    playbook: Path | None = None


def summary_of(playbook: Path) -> str:
    """The playbook's first comment, without its end mark: the line that `--help` shows."""
    with playbook.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("# "):
                return line[2:].strip().rstrip(".")
    return ""


def playbook_verbs(directory: Path = paths.PLAYBOOKS) -> dict[str, Verb]:
    """The verbs that are playbooks, by name, in the order of the alphabet."""
    return {
        playbook.stem: Verb(playbook.stem, summary_of(playbook), playbook)
        for playbook in sorted(directory.glob("*.yml"))
        if playbook.stem not in NOT_VERBS
    }


def all_verbs() -> dict[str, Verb]:
    """Every verb by name: the command's own first, then the playbooks."""
    return {name: Verb(name, summary) for name, summary in OWN_VERBS.items()} | playbook_verbs()


def help_text() -> str:
    """What `./cloudctl --help` prints."""
    verbs = all_verbs()
    width = max(map(len, verbs)) + 2

    def lines(names: list[str]) -> str:
        return "\n".join(f"  {name:<{width}}{verbs[name].summary}" for name in names)

    return (
        "usage: ./cloudctl VERB [-i inventory/NAME] [any flag of ansible-playbook]\n\n"
        f"{lines(list(OWN_VERBS))}\n\n"
        "playbooks (`ansible-playbook -i inventory/NAME playbooks/VERB.yml` does the same):\n"
        f"{lines([name for name in verbs if name not in OWN_VERBS])}\n\n"
        "Every run leaves its full log in .cache/log/. docs/operator.md tells the rest.\n"
    )
