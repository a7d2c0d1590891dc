"""`cloudctl lab up|down|reboot NAME`: the lab hosts of one inventory, made from nothing on this machine and removed again."""

from __future__ import annotations

import sys

from cloudd.ctl import deployer, paths, playbook
from cloudd.ctl.progress import display

WORDS = ("up", "down", "reboot")
USAGE_ERROR = 2


def run(arguments: list[str]) -> int:
    """Run the word's playbook over the inventory of that name, with any flag of Ansible's after it."""
    if len(arguments) < 2 or arguments[0] not in WORDS:
        print(f"usage: ./cloudctl lab {'|'.join(WORDS)} NAME [flags]   NAME is one of: {', '.join(lab_names())}", file=sys.stderr)
        return USAGE_ERROR
    word, name, *flags = arguments
    name = name.rstrip("/").rpartition("/")[2]
    if name not in lab_names():
        print(f"cloudctl: there is no lab {name!r} in inventory/; there are: {', '.join(lab_names())}", file=sys.stderr)
        return USAGE_ERROR
    with display(f"lab {word}") as shown:
        outcome = playbook.run(paths.PLAYBOOKS / f"lab_{word}.yml", ["-i", str(paths.INVENTORIES / name), *flags], shown)
    print(deployer.report(outcome))
    return 0 if outcome.succeeded else 1


def lab_names() -> list[str]:
    """The inventories whose hosts this machine itself makes."""
    return [name for name in deployer.inventories() if name.startswith("lab-")]
