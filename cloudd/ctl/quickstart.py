"""`cloudctl quickstart`: from nothing to a working cloud in a lab host of this machine, and a log-in to its first instance."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from cloudd.ctl import deployer, first_instance, paths, playbook
from cloudd.ctl.first_instance import FirstInstance
from cloudd.ctl.playbook import Outcome
from cloudd.ctl.progress import Display, display

INVENTORY = paths.INVENTORIES / "lab-all-in-one"
CLOUD = "quickstart"
# What the lab and the deployment need only later is built beside them: two cores are better than one.
BESIDE = {"wheelhouse": "build the wheelhouse", "guest_images": "build the guest image"}
BEFORE = {"lab_up": "make the lab host", "deploy": "deploy the cloud"}
AFTER = {"post_deploy": "furnish the cloud"}
FIRST = "boot the first instance and log in"
STEPS = len(BEFORE) + len(AFTER) + 1


class StageFailed(Exception):
    """A stage's playbook failed; the outcome says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.playbook)
        self.outcome = outcome


class Part:
    """One stage's share of the whole display."""

    def __init__(self, whole: Display, name: str, step: int) -> None:
        self._whole, self._name, self._step = whole, name, step

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def stage(self, name: str, done: float, total: float) -> None:
        """A play within the stage."""
        self._whole.stage(f"{self._name}: {name}", self._step + done / max(total, 1), STEPS)

    def task(self, name: str) -> None:
        """A task within the stage."""
        self._whole.task(name)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._whole.say(text)


class Silent(Part):
    """What runs beside the others says nothing until it is done."""

    def __init__(self) -> None:
        pass

    def stage(self, name: str, done: float, total: float) -> None:
        """Not shown."""

    def task(self, name: str) -> None:
        """Not shown."""

    def say(self, text: str) -> None:
        """Not shown."""


def run(flags: list[str]) -> int:
    """Run all stages with Ansible's flags; over a living cloud each finds its work done. The answer is the exit status."""
    started = time.monotonic()
    seconds: list[tuple[str, float]] = []
    try:
        with display(CLOUD) as shown:
            instance = _stages(flags, shown, seconds)
    except StageFailed as failed:
        print(deployer.report(failed.outcome))
        return 1
    except first_instance.Refused as refused:
        print(f"\n{FIRST} failed:\n\n{refused.failure.text()}", file=sys.stderr)
        return 1
    print(epilogue(instance, seconds, time.monotonic() - started))
    return 0


def _stages(flags: list[str], shown: Display, seconds: list[tuple[str, float]]) -> FirstInstance:
    """All stages in order, those of BESIDE in a thread of their own; `seconds` gets each one's time."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        beside = pool.submit(_beside, flags)
        for step, (name, title) in enumerate(BEFORE.items()):
            seconds.append((title, _playbook(name, flags, Part(shown, title, step))))
            _fail_early(beside)
        shown.stage(f"wait for: {', '.join(BESIDE.values())}", len(BEFORE), STEPS)
        seconds += [(f"{title} (beside the others)", took) for title, took in beside.result()]
    for step, (name, title) in enumerate(AFTER.items(), len(BEFORE)):
        seconds.append((title, _playbook(name, flags, Part(shown, title, step))))
    shown.stage(FIRST, STEPS - 1, STEPS)
    began = time.monotonic()
    instance = first_instance.ensure(CLOUD, shown.task)
    seconds.append((FIRST, time.monotonic() - began))
    return instance


def _beside(flags: list[str]) -> list[tuple[str, float]]:
    return [(title, _playbook(name, flags, Silent())) for name, title in BESIDE.items()]


def _playbook(name: str, flags: list[str], shown: Display) -> float:
    """Run one stage's playbook and give its seconds."""
    outcome = playbook.run(paths.PLAYBOOKS / f"{name}.yml", ["-i", str(INVENTORY), *flags], shown)
    if not outcome.succeeded:
        raise StageFailed(outcome)
    return outcome.seconds


def _fail_early(beside: Future[list[tuple[str, float]]]) -> None:
    """Raise what went wrong beside, if it has ended already."""
    if beside.done():
        beside.result()


def epilogue(instance: FirstInstance, seconds: list[tuple[str, float]], whole: float) -> str:
    """What was made, how to use it, and how long each stage took."""
    greeting = "\n".join(f"    {line}" for line in instance.greeting.splitlines())
    return f"""
A cloud runs in the lab host aio of this machine.

  networks   public (floating IPs), private, and a router between them
  flavors    tiny, small, medium          image   tiny
  instance   first, at {instance.floating_ip}; logged in to by ssh, it says:
{greeting}

Use it:
  . .venv/bin/activate
  openstack --os-cloud {CLOUD} server list
  {instance.command}

Remove it:
  ./cloudctl destroy -i inventory/{INVENTORY.name}
  ./cloudctl lab down {INVENTORY.name}

{deployer.stage_table([*seconds, ("in all", whole)])}"""
