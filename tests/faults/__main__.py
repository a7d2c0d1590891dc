"""`./cloudctl faults -i inventory/lab-ha`: makes each fault under load and writes what it cost."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.faults.canary import Canary
from tests.faults.fault import LASTS_SECONDS, Fault, faults
from tests.faults.health import Health
from tests.faults.instance import make_canary, remove_canary
from tests.faults.lab import Lab
from tests.faults.load import Api, Load, failed, longest_outage_seconds
from tests.real.quickstart import CLOUDS_YAML, ROOT

BEFORE_SECONDS = 3.0
RECOVERY_SECONDS = 240.0
PAGE = """# Faults, and what each costs

`./cloudctl faults -i inventory/lab-ha --output docs/faults.md` makes this page: each fault strikes a living cloud of three controllers and
two computes, container hosts on one machine with {cores} cores. Meanwhile clients send ten reads and two writes a second, each on a
connection of its own and without a retry; every acknowledged write is looked for afterwards, and an instance is pinged ten times a second
through its floating IP.

- *failed*: requests that got no answer, or one of 5xx or 401;
- *longest outage*: the longest time in which no request at all was answered well;
- *whole again after*: from the moment the fault was mended (a killed process: was killed) until every unit runs, every quorum is full,
  every agent reports, nothing is in a transient state and the instance answers every ping.

Hosts stay off, wires cut and disks full for {lasts:.0f} s. A packet that the canary lost counts unless the fault took its own host or
switch.

{table}"""


@dataclass
class Cost:
    """One row of the table."""

    fault: str
    requests_sent: int
    requests_failed: int
    longest_outage_seconds: float
    writes_promised: int
    writes_lost: int
    canary_lost: int
    canary_lost_after_seconds: list[float]
    recovery_seconds: float
    #: what is still wrong at the end; it is empty where the cloud healed by itself
    complaints: list[str]
    #: how often requests failed in each way
    errors: dict[str, int]
    spares_canary: bool

    @property
    def bearable(self) -> bool:
        """Nothing was lost, and the cloud is whole again."""
        return not self.writes_lost and not self.complaints and not (self.spares_canary and self.canary_lost)


class Trial:
    def __init__(self, lab: Lab) -> None:
        name = lab.variables["cloud_name"]
        clouds = yaml.safe_load(CLOUDS_YAML.read_text())["clouds"] if CLOUDS_YAML.exists() else {}
        if name not in clouds:
            verbs = " and ".join(f"./cloudctl {verb} -i {lab.inventory}" for verb in ("deploy", "post_deploy"))
            sys.exit(f"cloudctl faults: clouds.yaml knows no cloud {name}; run {verbs} first")
        settings = clouds[name]
        self.lab = lab
        self.api = Api(f"https://{lab.variables['api_address']}", settings["cacert"], settings["auth"])
        self.health = Health(lab, self.api)

    async def strike(self, fault: Fault, canary_address: str) -> Cost:
        """Make the fault in a cloud that is well, under load; mend it, wait until all is well again, and count."""
        await self.api.log_in()
        _, before = await self.health.wait(RECOVERY_SECONDS)
        assert not before, f"the cloud is not well before the fault: {'; '.join(before)}"
        load, canary = Load(self.api), Canary(canary_address)
        await load.lift_quota()
        mended = False
        running = [asyncio.create_task(load.run()), asyncio.create_task(canary.run())]
        try:
            await asyncio.sleep(BEFORE_SECONDS)
            struck = time.monotonic()
            await fault.make()
            await asyncio.sleep(fault.lasts_seconds)
            mended = True
            if fault.mend is not None:
                await fault.mend()
            healed = time.monotonic()
            recovery, complaints = await self.health.wait(RECOVERY_SECONDS)
            # Otherwise what this fault still costs would be the next one's.
            complaints += await canary.steady(RECOVERY_SECONDS)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if fault.mend is not None and not mended:
                with contextlib.suppress(AssertionError):
                    await fault.mend()
        ended = time.monotonic()
        lost = canary.lost(struck, ended)
        recovery = max([recovery, *(struck + moment - healed for moment in lost[-1:])])
        complaints += await self.health.doubles()
        return Cost(
            fault=fault.name,
            requests_sent=len(load.samples),
            requests_failed=len(failed(load.samples)),
            longest_outage_seconds=round(longest_outage_seconds(load.samples, struck - BEFORE_SECONDS / 2), 1),
            writes_promised=len(load.promised),
            writes_lost=len(await load.lost()),
            canary_lost=len(lost),
            canary_lost_after_seconds=lost,
            recovery_seconds=round(recovery, 1),
            complaints=complaints,
            errors=dict(Counter(str(sample.error)[:60] for sample in failed(load.samples))),
            spares_canary=fault.spares_canary,
        )


def page(costs: list[Cost]) -> str:
    """The document that shows the table."""
    return PAGE.format(cores=os.cpu_count(), lasts=LASTS_SECONDS, table=table(costs))


def table(costs: list[Cost]) -> str:
    """The rows as Markdown."""
    head = "| fault | requests | failed | longest outage | writes promised | lost | canary packets lost | whole again after |"
    rows = [
        f"| {c.fault} | {c.requests_sent} | {c.requests_failed} | {c.longest_outage_seconds} s | {c.writes_promised} | {c.writes_lost} "
        f"| {c.canary_lost}{'' if c.spares_canary else ' (its own host or switch)'} "
        f"| {c.recovery_seconds} s{': not, ' + '; '.join(c.complaints) if c.complaints else ''} |"
        for c in costs
    ]
    return "\n".join([head, "|---" * 8 + "|", *rows]) + "\n"


async def run(inventory: Path, names: list[str], output: Path | None) -> int:
    trial = Trial(Lab(inventory))
    instance = await asyncio.to_thread(make_canary, trial.lab.variables["cloud_name"])
    try:
        chosen = [
            fault for fault in faults(trial.lab, trial.lab.hosts[instance.host]) if not names or any(name in fault.name for name in names)
        ]
        if not chosen:
            print(f"no fault is named like {names}", file=sys.stderr)
            return 2
        costs = []
        for fault in chosen:
            print(f"faults: {fault.name}", file=sys.stderr, flush=True)
            costs.append(await trial.strike(fault, instance.address))
            print(f"faults:   {json.dumps(asdict(costs[-1]))}", file=sys.stderr, flush=True)
    finally:
        await asyncio.to_thread(remove_canary, trial.lab.variables["cloud_name"])
    if output is not None:
        output.write_text(page(costs))
    print(json.dumps([asdict(cost) for cost in costs], indent=2))
    return 0 if all(cost.bearable for cost in costs) else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cloudctl faults", description=__doc__)
    parser.add_argument("-i", "--inventory", type=Path, default=ROOT / "inventory" / "lab-ha")
    parser.add_argument("--output", type=Path, help="write a page with the table to this Markdown file")
    parser.add_argument("names", nargs="*", help="only faults whose names hold one of these words")
    options: Any = parser.parse_args(arguments)
    return asyncio.run(run(options.inventory.resolve(), options.names, options.output))


if __name__ == "__main__":
    sys.exit(main())
