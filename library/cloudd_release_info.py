#!/usr/bin/python
"""Module `cloudd_release_info`: which versions of cloudd a host has, by its directories and links."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudd_release_info
short_description: Tells which version of cloudd a host runs, and which one it can go back to
options:
  directory:
    description: Where versions are installed.
    type: path
    default: /opt/cloudd
seealso:
  - module: cloudd_release
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: See which version runs
  cloudd_release_info:
  register: release
"""

RETURN = r"""
current:
  description: The version that the host runs; empty where there is none.
  type: str
  returned: always
former:
  description: The version before an upgrade that has not been finalized; empty where there is none.
  type: str
  returned: always
installed:
  description: All versions that are wholly there, the latest installed last.
  type: list
  returned: always
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {"directory": {"type": "path", "default": "/opt/cloudd"}}
COMPLETE = ".complete"


def releases(directory: Path) -> dict:
    """`current`, `former` and `installed`."""
    found = [path.parent for path in directory.glob(f"*/{COMPLETE}") if not path.parent.is_symlink()]
    names = [path.name for path in sorted(found, key=lambda path: (path / COMPLETE).stat().st_mtime)]
    links = {name: directory / name for name in ("current", "former")}
    return {name: Path(os.readlink(link)).name if link.is_symlink() else "" for name, link in links.items()} | {"installed": names}


def main() -> None:
    """Look."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **releases(Path(module.params["directory"])))


if __name__ == "__main__":
    main()
