"""Action `fresh_service`: the module of that name; in check mode it is also told of the files that were foretold and not written.

Units are restarted because of newer files, and check mode writes none. So tasks that write what a unit reads register their results
under a name that ends in `_written`; from these it is known which paths the real run would have written before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

SUFFIX = "_written"


def paths_of(result: Mapping[str, Any]) -> Iterator[str]:
    """The paths that a registered result would have written: those it names itself, else the loop's item or the module's own argument."""
    for item in result.get("results", []):
        yield from paths_of(item) if isinstance(item, Mapping) else ()
    if not result.get("changed") or "results" in result:
        return
    if isinstance(result.get("written"), list):
        yield from map(str, result["written"])
        return
    item, invocation = result.get("item"), result.get("invocation")
    # What is not to be logged has a word instead.
    arguments = invocation.get("module_args") if isinstance(invocation, Mapping) else None
    named = [item.get("path") if isinstance(item, Mapping) else item]
    named += [arguments.get("path"), arguments.get("dest")] if isinstance(arguments, Mapping) else []
    yield from [path for path in named if isinstance(path, str) and path.startswith("/")][:1]


def foretold(variables: Mapping[str, Any]) -> list[str]:
    """The paths that the tasks before would have written on this host."""
    results = [value for name, value in variables.items() if name.endswith(SUFFIX) and isinstance(value, Mapping)]
    return sorted({path for result in results for path in paths_of(result)})


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the module's arguments."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, in check mode with what the host does not show."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._task.check_mode:
            arguments["foretold"] = foretold(task_vars or {})
        return dict(self._execute_module(module_args=arguments, task_vars=task_vars))
