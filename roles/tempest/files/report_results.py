#!/usr/bin/env python3
"""Reads test results (a subunit v2 stream) from standard input and tells what passed, failed and was skipped, and why.

Exit status: 0 when nothing failed and nothing expected is missing, else 1.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib
import re
import sys
from typing import Any

import subunit
import testtools

# A class that cannot be set up stands for all its tests, which then never run.
CLASS_SETUP = re.compile(r"^(setUpClass|tearDownClass) \((?P<name>.*)\)$")


def read_results(stream: Any) -> list[dict[str, str]]:
    """Return one {test, outcome, reason} for each test of the stream; outcome is passed, failed or skipped."""
    results: list[dict[str, str]] = []

    def keep(test: dict[str, Any]) -> None:
        outcome = {"success": "passed", "xfail": "passed", "skip": "skipped"}.get(test["status"], "failed")
        details = {name: detail.as_text() for name, detail in test["details"].items() if detail.content_type.type == "text"}
        results.append({"test": test["id"], "outcome": outcome, "reason": reason_of(outcome, details)})

    router = testtools.StreamToDict(keep)
    router.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name="stdout").run(router)
    router.stopTestRun()
    return [result for result in results if result["test"] != "stdout"]


def reason_of(outcome: str, details: dict[str, str]) -> str:
    """The one line that says why: what the skip says, or the exception at the end of the traceback with the server's own words."""
    if outcome == "passed":
        return ""
    if outcome == "skipped":
        return details.get("reason", "").strip().split("\n")[0]
    text = next((details[name] for name in sorted(details) if name.startswith("traceback")), "")
    lines = text.strip().splitlines()
    # The exception follows the last line of code, which is indented; what the server answered stands below it.
    start = max((index for index, line in enumerate(lines) if line.startswith(" ")), default=-1) + 1
    return " ".join(line.strip() for line in (lines[start:] or lines[-1:])[:2])[:400] or "no traceback was recorded"


def summary(results: list[dict[str, str]], expected: set[str]) -> dict[str, Any]:
    """Counts, and the failed, skipped and missing tests with their reasons."""
    by_outcome: dict[str, list[dict[str, str]]] = {"passed": [], "failed": [], "skipped": []}
    for result in results:
        by_outcome[result["outcome"]].append(result)
    seen = {plain(result["test"]) for result in results}
    return {
        "counts": {outcome: len(tests) for outcome, tests in by_outcome.items()},
        "failed": {result["test"]: result["reason"] for result in by_outcome["failed"]},
        "skipped": {result["test"]: result["reason"] for result in by_outcome["skipped"]},
        "never_ran": sorted(test for test in expected if plain(test) not in seen),
    }


def plain(test: str) -> str:
    """The test's name without its [id-…] suffix."""
    return test.split("[", maxsplit=1)[0]


def text_of(report: dict[str, Any]) -> str:
    """The report for people: counts first, then each failure, then the reasons for skipping with their number."""
    counts = report["counts"]
    lines = [f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"]
    if report["never_ran"]:
        lines[0] += f", {len(report['never_ran'])} never ran"
    for test, reason in sorted(report["failed"].items()):
        setup = CLASS_SETUP.match(test)
        lines += [f"failed  {setup['name'] + ' (its setup, so the whole class)' if setup else plain(test)}", f"        {reason}"]
    for reason, number in collections.Counter(report["skipped"].values()).most_common():
        lines.append(f"skipped {number} because: {reason}")
    lines += [f"never ran {plain(test)}" for test in report["never_ran"]]
    return "\n".join(lines)


def main() -> int:
    """Read, print, and write JSON if a path is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=pathlib.Path, help="write the report there as one JSON object")
    parser.add_argument("--expected", type=pathlib.Path, help="a list of tests, one a line, that should have run")
    arguments = parser.parse_args()
    expected = {line.strip() for line in arguments.expected.read_text().splitlines() if line.strip()} if arguments.expected else set()
    results = read_results(sys.stdin.buffer)
    if not results:
        print(
            "There are no results: Tempest did not run a single test. Its own words are in .stestr and logs/tempest.log.", file=sys.stderr
        )
        return 1
    report = summary(results, expected)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    print(text_of(report))
    return 1 if report["failed"] or report["never_ran"] else 0


if __name__ == "__main__":
    sys.exit(main())
