"""Python finds the repository's module_utils where Ansible's loader puts them: beside Ansible's own."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils

ROOT = Path(__file__).resolve().parents[2]
ansible.module_utils.__path__.append(str(ROOT / "plugins" / "module_utils"))
