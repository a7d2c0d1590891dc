"""`cloudctl test`, `cloudctl bench`, `cloudctl faults` and `cloudctl lint`: the repository's own checks, each by its tool."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from cloudd.ctl import paths


class Tests(NamedTuple):
    """What pytest is told: where its tests are, its options, and the inventory of the cloud they are about."""

    paths: list[str]
    options: list[str] = []
    cloud: str = ""


# Each linter by name. All run, so that one command shows everything there is to mend.
LINTERS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports"],
    "yamllint": ["yamllint", "."],
    "ansible-lint": ["ansible-lint", "--offline"],
}
# Fast tests need neither root nor a service; real ones run against hosts and a living cloud.
# One process more than there are cores, for some tests wait.
# Of the unit and contract suites, what wants servers of its own is real.
WORDS = {
    "fast": Tests(["tests/unit", "tests/contract"], ["-m", "not real", "-n", str((os.cpu_count() or 1) + 1), "--dist", "worksteal"]),
    "real": Tests(["tests/unit", "tests/contract", "tests/real"], ["-m", "real and not several_hosts and not membership"]),
    "several_hosts": Tests(["tests/real"], ["-m", "several_hosts"], cloud="lab-ha"),
    "high_availability": Tests(["tests/real/test_high_availability.py"], cloud="lab-ha"),
    "membership": Tests(["tests/real"], ["-m", "membership"]),
}
# What runs without a word: what every change must pass. All tests of several hosts take as long again as these.
USUAL_WORDS = ("fast", "real", "high_availability")
MEMORY = Path("/dev/shm")  # noqa: S108
MINIMUM_BYTES = 2 << 30


def run_tests(arguments: list[str]) -> int:
    """Run the tests of a word, or without one those that every change must pass; everything else goes to pytest.

    A path among it stands in the place of all tests. `molecule` is the word of no pytest: the roles' scenarios.
    """
    if arguments[:1] == ["molecule"]:
        return run_scenarios(arguments[1:])
    word = arguments[0] if arguments and arguments[0] in WORDS else ""
    rest = arguments[1:] if word else arguments
    if any(is_test_path(argument) for argument in rest):
        chosen = {word or "chosen": WORDS.get(word, Tests([]))._replace(paths=[])}
    else:
        chosen = {each: WORDS[each] for each in ([word] if word else USUAL_WORDS)}
    for name, tests in chosen.items():
        started = time.monotonic()
        command = [sys.executable, "-m", "pytest", *tests.paths, *tests.options, *rest]
        about = {"CLOUD_UNDER_TEST": tests.cloud} if tests.cloud else {}
        # A directory of its own, so that runs at the same time do not clear away each other's.
        with tempfile.TemporaryDirectory(prefix="cloudd-tests-", dir=directory_for_files(), ignore_cleanup_errors=True) as directory:
            status = run_to_its_end(command, os.environ | about | {"TMPDIR": directory})
        print(f"cloudctl: {name} tests {'passed' if status == 0 else 'failed'} in {time.monotonic() - started:.1f} s")
        if status:
            return status
    return 0


def is_test_path(argument: str) -> bool:
    """Whether it names a file or directory of tests, or with :: what is in one."""
    path = paths.ROOT / argument.partition("::")[0]
    return path.is_relative_to(paths.ROOT / "tests") and path.exists()


def run_to_its_end(command: list[str], environment: dict[str, str]) -> int:
    """Run pytest. Told to stop, pass that on and wait, for it has servers to stop and then we its files to clear away."""
    begun: list[subprocess.Popen[bytes]] = []

    def pass_on(*_: object) -> None:
        for tests in begun:
            tests.send_signal(signal.SIGINT)

    # The terminal tells pytest of SIGINT itself. A shell that runs us in the background has it ignored, which pytest would inherit,
    # unless there is a handler here.
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on), signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)}
    try:
        with subprocess.Popen(command, cwd=paths.ROOT, env=environment) as tests:
            begun.append(tests)
            return tests.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def directory_for_files() -> Path | None:
    """In memory, if it has room and may hold programs, for a disk would be waited for at every commit; else the usual one."""
    if not os.access(MEMORY, os.W_OK | os.X_OK) or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free > MINIMUM_BYTES else None


def run_bench(arguments: list[str]) -> int:
    """Measure the cloud; the one JSON object is on standard output, progress on standard error."""
    return subprocess.run([sys.executable, "-m", "tests.bench", *arguments], cwd=paths.ROOT, check=False).returncode


def run_faults(arguments: list[str]) -> int:
    """Make faults in a living cloud of lab hosts, under load; the table's rows are on standard output as JSON."""
    return subprocess.run([sys.executable, "-m", "tests.faults", *arguments], cwd=paths.ROOT, check=False).returncode


def run_linters(arguments: list[str]) -> int:
    """Run every linter, or those whose names begin with the words given; the answer is 1 when any complains."""
    return run_chosen("linter", LINTERS, arguments)


def run_scenarios(arguments: list[str]) -> int:
    """Run the Molecule scenario of every role that has one, or of those whose names begin with the words given, one after the other."""
    roles = [path.parent.relative_to(paths.ROOT) for path in sorted(paths.ROOT.glob("roles/*/molecule"))]
    return run_chosen("scenario", {role.name: ["env", f"--chdir={role}", "molecule", "test"] for role in roles}, arguments)


def run_chosen(kind: str, commands: dict[str, list[str]], words: list[str]) -> int:
    """Run all commands, or those whose names begin with one of the words, and say how each ended.

    The answer is 1 when any failed, 2 when none was meant.
    """
    chosen = {name: command for name, command in commands.items() if not words or any(name.startswith(word) for word in words)}
    if not chosen:
        print(f"cloudctl: no such {kind}; there are: {', '.join(commands)}", file=sys.stderr)
        return 2
    failed, environment = [], os.environ | {"PATH": paths.search_path()}
    for name, command in chosen.items():
        started = time.monotonic()
        if subprocess.run(command, cwd=paths.ROOT, env=environment, check=False).returncode:
            failed.append(name)
        print(f"cloudctl: {name}: {'failed' if name in failed else 'passed'} ({time.monotonic() - started:.1f} s)")
    return 1 if failed else 0
