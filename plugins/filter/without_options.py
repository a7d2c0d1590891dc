"""Filter `without_options`: settings by section and option, without some options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: without_options
short_description: Settings without options that their reader does not read
options:
  _input: {description: The settings by section and option., type: dict, required: true}
  unread: {description: "Dictionaries of what to leave out: lists of options by section.", type: list, required: true}
"""


def without_options(settings: Mapping[str, Mapping[str, Any]], unread: Iterable[Mapping[str, Iterable[str]]]) -> dict[str, dict[str, Any]]:
    """The settings without the options in any of `unread`; a section of which nothing is left goes too."""
    left_out = {(section, option) for options in unread for section, names in options.items() for option in names}
    kept = {
        section: {option: value for option, value in options.items() if (section, option) not in left_out}
        for section, options in settings.items()
    }
    return {section: options for section, options in kept.items() if options}


class FilterModule:
    """Ansible's door."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The one filter of this file."""
        return {"without_options": without_options}
