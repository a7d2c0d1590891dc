"""How a cloud grows: seconds to add the third, the 20th and the 100th compute host, and to deploy where there is nothing to do.

One controller and many compute hosts, which run the agent alone with libvirt's test driver, in a lab of its own that is removed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cloudd.ctl.playbook import Outcome
from tests.bench.api_client import ApiClient
from tests.bench.scale_lab import CONTROLLER, MOST_COMPUTES, ScaleLab, StepFailed, compute_name, say

REST_SECONDS = 30
SETTLE_SECONDS = 20
# Programs that take less are not told.
LEAST_PERCENT = 0.1


@dataclass(frozen=True)
class Step:
    """`begin` deploys a cloud with so many computes, `grow` brings it to so many, `add` times the compute of that number,
    `again` times a deployment over so many hosts, the controller among them."""

    kind: Literal["begin", "grow", "add", "again"]
    number: int


def steps(adds: Iterable[int], agains: Iterable[int], batch: int) -> Iterator[Step]:
    """The way from the smallest cloud to the largest; hosts that are not timed come `batch` at a time."""
    # What a step needs to find there, in computes. A deployment on as many comes first, for it leaves the number as it is.
    timed = sorted([(hosts - 1, 0, Step("again", hosts)) for hosts in agains] + [(number - 1, 1, Step("add", number)) for number in adds])
    have = timed[0][0]
    yield Step("begin", have)
    for wanted, grows, step in timed:
        while have < wanted:
            have = min(wanted, have + batch)
            yield Step("grow", have)
        yield step
        have += grows


def slope(points: Iterable[tuple[float, float]]) -> float | None:
    """How much the second grows with the first, by least squares; None of fewer than two places."""
    pairs = list(points)
    mean_x, mean_y = (sum(values) / len(pairs) for values in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    spread = sum((x - mean_x) ** 2 for x, _ in pairs)
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / spread if spread else None


def timed(outcome: Outcome) -> dict[str, Any]:
    """Seconds of a playbook's run, in all and by stage, and how many tasks changed something."""
    stages = {name: round(seconds, 2) for name, seconds in outcome.stages if seconds >= 0.1}
    return {"seconds": round(outcome.seconds, 1), "changed": sum(outcome.changed.values()), "stages": stages}


async def computes_up(lab: ScaleLab, name: str) -> tuple[int, bool]:
    """How many compute services the cloud hears of, and whether that host's is among them."""
    entry = lab.entry()
    client = ApiClient(entry["auth"]["auth_url"], entry["auth"]["password"], ca_certificate=entry["cacert"])
    try:
        services = (await client.get("compute", "/os-services?binary=nova-compute"))["services"]
    finally:
        await client.close()
    up = {service["host"] for service in services if service["state"] == "up"}
    return len(up), name in up


def take(lab: ScaleLab, step: Step, measured: dict[str, Any], repeat: int = 1) -> None:
    """Take one step and note what it cost; a deployment with nothing to do so many times, and the quickest counts."""
    began = time.monotonic()
    if step.kind == "again":
        runs = [timed(lab.deploy()) for _ in range(repeat)]
        measured["deploy_again"].append({"hosts": step.number, **min(runs, key=lambda run: run["seconds"])})
        if changed := sum(run["changed"] for run in runs):
            raise StepFailed(f"a deployment over {step.number} hosts that are deployed already changed {changed} things")
    elif step.kind == "begin":
        lab.power_on(step.number)
        measured["deploy"] = {"hosts": step.number + 1, **timed(lab.deploy())}
        lab.run("post_deploy")
    else:
        first = lab.computes + 1
        lab.power_on(step.number, bare=step.kind == "add")
        added = timed(lab.add(first, step.number))
        if step.kind == "add":
            up, known = asyncio.run(computes_up(lab, compute_name(step.number)))
            measured["add_host"].append({"compute": step.number, **added, "computes_up": up})
            if not known or up != step.number:
                raise StepFailed(f"the cloud hears of {up} compute hosts after the {step.number}th was added")
    say(f"{step.kind} {step.number}: {time.monotonic() - began:.1f} s with the lab's own work")


def rest(lab: ScaleLab) -> dict[str, Any]:
    """What the controller and one compute host need of a processor while nobody asks for anything, in percent of one core."""
    time.sleep(SETTLE_SECONDS)
    names = [CONTROLLER, compute_name(lab.computes)]
    before, began = {name: lab.processor_seconds(name) for name in names}, time.monotonic()
    time.sleep(REST_SECONDS)
    after, lasted = {name: lab.processor_seconds(name) for name in names}, time.monotonic() - began
    percent = {
        name: {program: 100 * (spent - before[name].get(program, 0.0)) / lasted for program, spent in after[name].items()} for name in names
    }
    busiest = sorted(percent[CONTROLLER].items(), key=lambda item: -item[1])
    rollup = lab.on_host(names[1], "cat /proc/$(systemctl show -p MainPID --value cloudd-agent)/smaps_rollup")
    agent_kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return {
        "computes": lab.computes,
        "controller_percent": round(sum(percent[CONTROLLER].values()), 1),
        "controller_by_program": {program: round(share, 1) for program, share in busiest if share >= LEAST_PERCENT},
        "compute_percent": round(sum(percent[names[1]].values()), 2),
        "agent_memory_mib": round(agent_kib / 1024, 1),
    }


def measure(adds: list[int], agains: list[int], *, batch: int, repeat: int, index: int, keep: bool) -> dict[str, Any]:
    """Grow a cloud in a lab with that index; the lab goes at the end, however it ends, unless it is to be kept."""
    lab = ScaleLab(index)
    measured: dict[str, Any] = {"deploy": {}, "add_host": [], "deploy_again": []}
    lab.remove()
    try:
        for step in steps(adds, agains, batch):
            take(lab, step, measured, repeat)
        say("at rest")
        measured["at_rest"] = rest(lab)
    finally:
        if not keep:
            say("removing the lab")
            lab.remove()
    add_slope = slope((run["compute"], run["seconds"]) for run in measured["add_host"])
    again_slope = slope((run["hosts"], run["seconds"]) for run in measured["deploy_again"])
    measured["add_host_milliseconds_per_host"] = None if add_slope is None else round(add_slope * 1000, 1)
    measured["deploy_again_seconds_per_host"] = None if again_slope is None else round(again_slope, 2)
    return measured


def table(measured: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| what | seconds |", "|---|---|"]
    lines += [f"| compute host number {run['compute']} added | {run['seconds']} |" for run in measured["add_host"]]
    if measured["add_host_milliseconds_per_host"] is not None:
        seconds = measured["add_host_milliseconds_per_host"] / 1000
        lines.append(f"| each host that the cloud has already makes it longer by | {seconds:.3f} |")
    lines += [f"| a deploy with nothing to do over {run['hosts']} hosts | {run['seconds']} |" for run in measured["deploy_again"]]
    if measured["deploy_again_seconds_per_host"] is not None:
        lines.append(f"| each host more makes it longer by | {measured['deploy_again_seconds_per_host']} |")
    idle = measured["at_rest"]
    programs = ", ".join(f"{program} {percent} %" for program, percent in list(idle["controller_by_program"].items())[:5])
    return "\n".join(
        [
            *lines,
            "",
            f"At rest with {idle['computes']} compute hosts the controller takes {idle['controller_percent']} % of one core ({programs}),"
            f" a compute host {idle['compute_percent']} %; an agent holds {idle['agent_memory_mib']} MiB.",
            "",
        ]
    )


def main(words: list[str]) -> dict[str, Any]:
    """Measure as the words of the command line say; returns what is printed."""
    parser = argparse.ArgumentParser(prog="cloudctl bench scale", description=__doc__)
    parser.add_argument("--add", type=int, nargs="+", default=[3, 20, 100], metavar="NUMBER", help="computes to time (default: 3 20 100)")
    parser.add_argument("--again", type=int, nargs="+", default=[5, 20, 50], metavar="HOSTS", help="hosts of deploys (default: 5 20 50)")
    parser.add_argument("--batch", type=int, default=20, help="how many of the others come at a time (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=1, help="deploys to take the quickest of (default: %(default)s)")
    parser.add_argument("--index", type=int, default=5, help="the lab's index, unlike any other lab's (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="where to write the figures as Markdown")
    parser.add_argument("--keep", action="store_true", help="leave the lab and its cloud at the end")
    wishes = vars(parser.parse_args(words))
    output: Path | None = wishes.pop("output")
    adds, agains = (sorted(set(wishes.pop(name))) for name in ("add", "again"))
    if adds[0] < 2 or agains[0] < 2 or max(adds[-1], agains[-1] - 1) > MOST_COMPUTES:
        parser.error(f"computes and hosts are counted from 2 to {MOST_COMPUTES}")

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        measured = measure(adds, agains, **wishes)
    except StepFailed as failed:
        raise SystemExit(f"bench: {failed}") from failed
    if output:
        output.write_text(table(measured))
    return measured
