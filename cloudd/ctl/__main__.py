"""The entry of ./cloudctl: finds the verb and hands it the remaining arguments, Ansible's own among them."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from cloudd.ctl import paths
from cloudd.ctl.verb import all_verbs, help_text

USAGE_ERROR = 2


def main(arguments: list[str]) -> int:
    """Run one command line; the answer is the process's exit status."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(help_text(), end="")
        return 0
    name, rest = arguments[0], paths.absolute(arguments[1:], Path.cwd())
    verbs = all_verbs()
    if name not in verbs:
        near = difflib.get_close_matches(name, verbs, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"cloudctl: there is no verb {name!r}{hint} See ./cloudctl --help.", file=sys.stderr)
        return USAGE_ERROR
    os.chdir(paths.ROOT)
    if verbs[name].playbook is not None:
        from cloudd.ctl import deployer

        return deployer.run_verb(verbs[name], rest)
    return _run_own(name, rest)


def _run_own(name: str, rest: list[str]) -> int:
    """Run a verb that is no playbook; each is imported only when it is asked for."""
    if name == "quickstart":
        from cloudd.ctl import quickstart

        return quickstart.run(rest)
    if name == "lab":
        from cloudd.ctl import lab

        return lab.run(rest)
    if name == "bench":
        from cloudd.ctl import bench

        return bench.run(rest)
    from cloudd.ctl import checks

    return checks.run_tests(rest) if name == "test" else checks.run_linters(rest)


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        print("\ncloudctl: stopped by the keyboard; the same command may be run again", file=sys.stderr)
        status = 130
    sys.exit(status)
