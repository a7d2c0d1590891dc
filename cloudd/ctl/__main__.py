"""The entry of ./cloudctl: finds the verb and hands it the remaining arguments, Ansible's own among them."""

from __future__ import annotations

import difflib
import os
import sys
from importlib import import_module
from pathlib import Path

from cloudd.ctl import paths
from cloudd.ctl.verb import all_verbs, help_text

USAGE_ERROR = 2
# The verbs that are no playbook: their module and function.
OWN_VERB_MODULES = {
    "quickstart": ("quickstart", "run"),
    "lab": ("lab", "run"),
    "test": ("checks", "run_tests"),
    "bench": ("checks", "run_bench"),
    "faults": ("checks", "run_faults"),
    "lint": ("checks", "run_linters"),
}


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
    # Imported only now, so that --help does not pay for what it does not need.
    if verbs[name].playbook is not None:
        return int(import_module("cloudd.ctl.deployer").run_verb(verbs[name], rest))
    module, function = OWN_VERB_MODULES[name]
    return int(getattr(import_module(f"cloudd.ctl.{module}"), function)(rest))


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        print("\ncloudctl: stopped by the keyboard; the same command may be run again", file=sys.stderr)
        status = 130
    sys.exit(status)
